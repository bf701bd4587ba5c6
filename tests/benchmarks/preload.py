"""Puts users into both stores as if their commands had been handled: by the product's own contracts and projections, so
that the shape is what the services write.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from services.query.bootstrap import READ_MODELS
from services.query.domain_event import DomainEvent
from services.query.mongo.collections import FIRST_GENERATION
from services.query.projector.details import merged
from services.query.projector.fold import fold
from services.query.read_model import Detail, FoldedModel
from shared.contracts.cloud_event import CloudEvent, subject
from shared.contracts.events import UserCreated
from shared.contracts.fields import email_key
from tests.benchmarks.ours import Ours
from tests.benchmarks.preload_check import check_answers, check_counts
from tests.support.stack import servers_admin_urls

PIECE = 10_000
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
USER_COLUMNS = ("user_id", "name", "email", "email_key", "status", "version", "created_at", "updated_at")
EVENT_COLUMNS = (
    *("event_id", "aggregate_type", "aggregate_id", "version", "type", "schema_version", "time", "data"),
    *("correlation_id", "causation_id", "actor"),
)
INBOX_COLUMNS = ("command_id", "content_hash", "outcome", "processed_at")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Target:
    postgres_url: str
    mongo_url: str
    database: str


async def preload(ours: Ours, count: int, progress: Progress) -> None:
    """Users 0 … count - 1, each created and nothing more. The stores must be empty, the services stopped.

    Raises PreloadError when the services would have written something else.
    """
    urls = servers_admin_urls(ours.native)
    target = Target(urls.postgres.replace("+asyncpg", ""), urls.mongo, ours.stores.database)
    pieces = [range(start, min(start + PIECE, count)) for start in range(0, count, PIECE)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        writing = [loop.run_in_executor(pool, partial(_write_piece, target, piece)) for piece in pieces]
        for done, piece in enumerate(asyncio.as_completed(writing), 1):
            await piece
            progress(f"preloading {count} users", done * PIECE, count)
    await ours.stores.settle()
    await check_counts(ours, count)
    last = event(count - 1)
    name, command_id = last.envelope.data["name"], str(last.envelope.causationid)
    await check_answers(ours, count, last.aggregate_id, name, command_id)
    await ours.stop()


def user_id(number: int) -> str:
    """In no order of the numbers."""
    return f"{hashlib.blake2b(str(number).encode(), digest_size=5).hexdigest()}-preloaded-{number}"


def event(number: int) -> DomainEvent:
    id_, time = user_id(number), FIRST_DAY + timedelta(seconds=number)
    data = UserCreated(user_id=id_, name=f"Grace Hopper {number}", email=f"{id_}@example.com")
    envelope = CloudEvent(
        id=_uuid("event", number),
        type=data.type,
        subject=subject("user", id_),
        time=time,
        aggregatetype="user",
        aggregateid=id_,
        aggregateversion=1,
        position=number + 1,
        causationid=_uuid("command", number),
        data=data.model_dump(mode="json"),
    )
    return DomainEvent(envelope, data)


def _write_piece(target: Target, numbers: range) -> None:
    events = [event(number) for number in numbers]
    asyncio.run(_write_rows(target, events))
    with MongoClient[dict[str, Any]](target.mongo_url, tz_aware=True) as client:
        database = client[target.database]
        for model in READ_MODELS:
            collection = database[f"{model.name}.g{FIRST_GENERATION}"]
            if not isinstance(model, FoldedModel):
                collection.insert_many([record for each in events if (record := model.record(each))], ordered=False)
                continue
            folded = [fold(model, None, [each]) for each in events]
            collection.insert_many([each.document for each in folded if each.document is not None], ordered=False)
            details: list[Detail] = [detail for each in folded for detail in each.details]
            if details:
                _write_details(collection["details"], merged(details))


def _write_details(collection: Any, writes: Sequence[Any]) -> None:
    for attempt in range(5):  # two pieces may begin the same counter at once
        try:
            collection.bulk_write(list(writes), ordered=True)
        except PyMongoError:
            if attempt == 4 or len(writes) > 1:
                raise
        else:
            return


async def _write_rows(target: Target, events: Sequence[DomainEvent]) -> None:
    connection = await asyncpg.connect(f"{target.postgres_url.rpartition('/')[0]}/{target.database}")
    try:
        async with connection.transaction():
            for table, columns, row in (
                ("users", USER_COLUMNS, _user_row),
                ("events", EVENT_COLUMNS, _event_row),
                ("inbox", INBOX_COLUMNS, _inbox_row),
            ):
                await connection.copy_records_to_table(table, records=map(row, events), columns=columns)
    finally:
        await connection.close()


def _user_row(of: DomainEvent) -> tuple[Any, ...]:
    data, time = of.envelope.data, of.envelope.time
    return (of.aggregate_id, data["name"], data["email"], email_key(data["email"]), "active", 1, time, time)


def _event_row(of: DomainEvent) -> tuple[Any, ...]:
    its = of.envelope
    data = json.dumps(its.data)
    return (its.id, "user", its.aggregateid, 1, its.type, 1, its.time, data, None, its.causationid, None)


def _inbox_row(of: DomainEvent) -> tuple[Any, ...]:
    its = of.envelope
    token = f"user/{its.aggregateid}@1"
    outcome = {"status": "accepted", "command_id": str(its.causationid), "aggregate_id": its.aggregateid, "version": 1}
    hash_ = hashlib.sha256(its.id.bytes).digest()
    return (its.causationid, hash_, json.dumps(outcome | {"consistency_token": token}), its.time)


def _uuid(of: str, number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"{of} {number}")
