"""What every peer makes of an event in MongoDB: the read models that the contract's queries need, an upsert for each.

`users`, `command_status`, `user_directory` (the words that a user is found by), `user_history` (an entry for each
event) and `signup_stats` (counters of a day). Where the event is known already an upsert changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, AsyncMongoClient, IndexModel, MongoClient
from pymongo.errors import DuplicateKeyError
from pymongo.results import UpdateResult

WORD = re.compile(r"[^\W_]+")
INDEXES = {
    "users": ("email_key", "created_at,_id", "name_key,_id", "status,created_at,_id", "status,name_key,_id"),
    "user_directory": ("name_words,_id", "email_words,_id"),
}


@dataclass(frozen=True)
class Upsert:
    collection: str
    filter: dict[str, Any]
    update: dict[str, Any]


def upserts(event: dict[str, Any]) -> Sequence[Upsert]:
    """The entry of the history is the last: whoever makes it counts the event (see `count`), and nobody else."""
    id_, version, time = event["aggregateid"], event["aggregateversion"], datetime.fromisoformat(event["time"])
    older = {"_id": id_, "version": {"$lt": version}}
    user, found_by = _changes(event)
    status = {"status": "accepted", "aggregate_id": id_, "version": version, "time": time}
    entry = {"type": event["type"], "time": time, "causation_id": event["causationid"], "changes": event["data"]}
    state = {"version": version, "updated_at": time}
    return [
        Upsert("users", older, {"$set": user | state, "$setOnInsert": {"status": "active", "created_at": time}}),
        Upsert("command_status", {"_id": event["causationid"]}, {"$setOnInsert": status}),
        Upsert("user_directory", older, {"$set": user | found_by | state}),
        Upsert("user_history", {"_id": f"{id_}@{version:010}"}, {"$setOnInsert": entry | {"version": version}}),
    ]


def count(event: dict[str, Any]) -> Upsert | None:
    if event["type"] != "UserCreated":
        return None
    return Upsert("signup_stats", {"_id": event["time"][:10]}, {"$inc": {"signups": 1, "active": 1}})


def _changes(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the user, and of the words that he is found by."""
    data = event["data"]
    email = data.get("email") or data["new_email"]
    user, found_by = {"email": email, "email_key": email.casefold()}, {"email_words": _words(email)}
    if "name" in data:
        user |= {"name": data["name"], "name_key": data["name"].casefold()}
        found_by |= {"name_words": _words(data["name"])}
    return user, found_by


def _words(text: str) -> list[str]:
    return sorted(set(WORD.findall(text.casefold())))


def create_indexes(url: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        for collection, indexes in INDEXES.items():
            models = [IndexModel([(field, ASCENDING) for field in index.split(",")]) for index in indexes]
            client.get_default_database()[collection].create_indexes(models)


class AsyncView:
    def __init__(self, url: str) -> None:
        self._client = AsyncMongoClient[dict[str, Any]](url, tz_aware=True)
        self._models = self._client.get_default_database()

    async def apply(self, event: dict[str, Any]) -> None:
        results = [await self._write(each) for each in upserts(event)]
        if _is_new(results[-1]) and (counter := count(event)):
            await self._write(counter)

    async def find(self, user_id: str) -> dict[str, Any] | None:
        return await self._models["users"].find_one({"_id": user_id})

    async def close(self) -> None:
        await self._client.close()

    async def _write(self, each: Upsert) -> UpdateResult | None:
        try:
            return await self._models[each.collection].update_one(each.filter, each.update, upsert=True)
        except DuplicateKeyError:  # it is as new already
            return None


class SyncView:
    """For peers that know no asyncio."""

    def __init__(self, url: str) -> None:
        self._client = MongoClient[dict[str, Any]](url, tz_aware=True)
        self._models = self._client.get_default_database()

    def apply(self, event: dict[str, Any]) -> None:
        results = [self._write(each) for each in upserts(event)]
        if _is_new(results[-1]) and (counter := count(event)):
            self._write(counter)

    def find(self, user_id: str) -> dict[str, Any] | None:
        return self._models["users"].find_one({"_id": user_id})

    def close(self) -> None:
        self._client.close()

    def _write(self, each: Upsert) -> UpdateResult | None:
        try:
            return self._models[each.collection].update_one(each.filter, each.update, upsert=True)
        except DuplicateKeyError:  # it is as new already
            return None


def _is_new(result: UpdateResult | None) -> bool:
    return result is not None and result.upserted_id is not None


def shown(user: dict[str, Any] | None) -> dict[str, Any]:
    """A user as an answer shows it."""
    if user is None:
        return {"status": "error", "error": {"code": "user_not_found"}}
    times = {name: user[name].isoformat() for name in ("created_at", "updated_at")}
    fields = {name: user[name] for name in ("name", "email", "status", "version")}
    return {"status": "ok", "data": {"user_id": user["_id"], **fields, **times}}
