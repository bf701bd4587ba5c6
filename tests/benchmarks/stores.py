"""What a system has in PostgreSQL and MongoDB, as its measurer sees it."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from bson import Timestamp
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from tests.benchmarks.commands import Command

FIRST_LOOK, LONGEST_LOOK = 20, 2000
LATEST_OPERATIONS = 200
"""Of MongoDB's log: how far back a look for a write goes."""


def of_user(command: Command) -> str:
    return command.user_id


def of_command(command: Command) -> str:
    return command.id


@dataclass(frozen=True)
class Watched:
    """A collection that every command ends in: by which document, and that must be at the command's version then."""

    collection: str
    key: Callable[[Command], str] = of_user


@dataclass(frozen=True)
class Counted:
    """A collection in which every new user is counted: in this field of some document."""

    collection: str
    field: str


class Stores:
    """One database of the same name in each server. Use `opened`."""

    def __init__(self, postgres: asyncpg.Connection, mongo: AsyncMongoClient[dict[str, Any]], database: str) -> None:
        self.postgres = postgres
        self.mongo = mongo
        self.database = database

    @property
    def documents(self) -> AsyncDatabase[dict[str, Any]]:
        return self.mongo[self.database]

    async def settle(self) -> None:
        """Leaves nothing to be cleared up or written out, as when what is there has been there for an hour."""
        await self.postgres.execute("VACUUM ANALYZE")
        await self.postgres.execute("CHECKPOINT")
        await self.mongo.admin.command("fsync")

    async def warm(self) -> None:
        """Has both servers read all that is there into their caches, as when it has been worked with all along."""
        await self.postgres.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        those = "relkind::text = $1 AND relnamespace = 'public'::regnamespace"
        for kind in ("r", "i"):  # indexes last: what does not fit is rows
            await self.postgres.execute(f"SELECT pg_prewarm(oid) FROM pg_class WHERE {those}", kind)
        for name in await self.documents.list_collection_names():
            collection = self.documents[name]
            for index in await collection.index_information():
                await collection.count_documents({}, hint=index)
            size = {"$group": {"_id": None, "size": {"$sum": {"$bsonSize": "$$ROOT"}}}}
            await (await collection.aggregate([size], hint={"$natural": 1})).to_list()

    async def empty(self) -> None:
        """No rows but those of migrations, no collections."""
        tables = await self.postgres.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        if tables:
            names = ", ".join(f'"{row["tablename"]}"' for row in tables)
            await self.postgres.execute(f"TRUNCATE {names} RESTART IDENTITY")
            await self.postgres.execute("CHECKPOINT")
        for name in await self.documents.list_collection_names():
            await self.documents.drop_collection(name)

    async def handled(self) -> int:
        """Grows by one with each event in the log; answered from an index."""
        return int(await self.postgres.fetchval("SELECT coalesce(max(position), 0) FROM events"))

    async def first_handled_at(self, since: datetime) -> datetime:
        """When the work on the first command began: the time that its inbox row carries."""
        found = await self.postgres.fetchval("SELECT min(processed_at) FROM inbox WHERE processed_at >= $1", since)
        assert isinstance(found, datetime)
        return found

    async def last_written_at(self, since: datetime, collections: Collection[str]) -> datetime | None:
        """When MongoDB made the last write to one of these collections or to what hangs on one (`users.details`), by
        its own log of operations: to the millisecond, and all but free of charge while the drain runs. None where there
        is none among the last of that log: to look for it in all of a long one would take more of the CPU than the
        drain.
        """
        names = "|".join(re.escape(name) for name in collections)
        ours = re.compile(f"^{re.escape(self.database)}\\.({names})(\\.|$)")
        writes = {
            "ts": {"$gte": Timestamp(int(since.timestamp()), 0)},
            "$or": [{"ns": ours}, {"ns": "admin.$cmd", "o.applyOps.ns": ours}],
        }
        last: list[dict[str, Any]] = [
            {"$limit": LATEST_OPERATIONS},
            {"$match": writes},
            {"$limit": 1},
            {"$project": {"wall": 1}},
        ]
        found = await (await self.mongo["local"]["oplog.rs"].aggregate(last, hint={"$natural": -1})).to_list()
        return found[0]["wall"] if found else None


class Visibility:
    """Which of the commands MongoDB does not show yet, looked up from the last sent to the first: while any collection
    lacks the last ones, a look costs next to nothing. What is counted is looked at when all else is there.
    """

    def __init__(
        self, stores: Stores, watched: Sequence[Watched], counted: Sequence[Counted], commands: Sequence[Command]
    ) -> None:
        self._documents = stores.documents
        self._versions = {
            each.collection: {each.key(command): command.version for command in commands} for each in watched
        }
        self._missing = {collection: list(versions) for collection, versions in self._versions.items()}
        self._counted = counted
        self._new = sum(command.type == "CreateUser" for command in commands)
        self._before: dict[Counted, int] = {}

    async def begin(self) -> None:
        """Before the first command is handled."""
        self._before = {each: await self._count(each) for each in self._counted}

    async def complete(self) -> bool:
        """Whether every collection has every command. While one lacks the last ones, no other is looked through: that
        would take from those that are still at work.
        """
        for collection, missing in self._missing.items():
            asked = missing[-FIRST_LOOK:]
            if len(await self._there(collection, asked)) < len(asked):
                return False
        await self.look_through()
        if any(self._missing.values()):
            return False
        return all([await self._count(each) >= before + self._new for each, before in self._before.items()])

    async def look_through(self) -> None:
        """Finds out what is `missing`."""
        for collection, missing in self._missing.items():
            look = FIRST_LOOK
            while missing:
                asked = missing[-look:]
                there = await self._there(collection, asked)
                missing[-look:] = [key for key in asked if key not in there]
                if len(there) < len(asked):
                    break
                look = min(look * 4, LONGEST_LOOK)

    def missing(self) -> dict[str, int]:
        return {collection: len(keys) for collection, keys in self._missing.items() if keys}

    async def _there(self, collection: str, keys: Sequence[str]) -> set[str]:
        found = await self._documents[collection].find({"_id": {"$in": keys}}, {"version": 1}).to_list()
        versions = self._versions[collection]
        return {each["_id"] for each in found if each.get("version", 0) >= versions[each["_id"]]}

    async def _count(self, counted: Counted) -> int:
        total = {"$group": {"_id": None, "total": {"$sum": f"${counted.field}"}}}
        found = await (await self._documents[counted.collection].aggregate([total])).to_list()
        return int(found[0]["total"]) if found else 0


@asynccontextmanager
async def opened(postgres_url: str, mongo_url: str, database: str) -> AsyncIterator[Stores]:
    """Both URLs are administrators'. Makes the database in PostgreSQL when it is not there."""
    server = postgres_url.replace("+asyncpg", "").rpartition("/")[0]
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(f'CREATE DATABASE "{database}"')
    finally:
        await admin.close()
    postgres = await asyncpg.connect(f"{server}/{database}")
    try:
        async with AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, tzinfo=UTC) as mongo:
            yield Stores(postgres, mongo, database)
    finally:
        await postgres.close()
