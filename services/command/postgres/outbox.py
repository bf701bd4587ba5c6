"""Messages that are promised with a commit and not yet known to be on a queue.

A set: ids are not in the order of commits, so nobody may remember a place in it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from pydantic_core import to_json
from sqlalchemy import Row, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Text

from services.command.postgres.row_insert import RowInsert
from services.command.postgres.tables import outbox
from shared.messaging.envelope import Envelope

COLUMNS = ("ordering_key", "exchange", "routing_key", "message_id", "type", "content_type", "headers", "body")
STORED = (outbox.c.id, *(outbox.c[name] for name in COLUMNS))

ADD = RowInsert(
    outbox,
    COLUMNS,
    often_same=["exchange", "routing_key", "type", "content_type"],
    returning=["message_id", "id"],
)
EARLIER = (
    select(*STORED)
    .where(outbox.c.ordering_key == any_(bindparam("keys", type_=ARRAY(Text))), outbox.c.id < bindparam("before"))
    .order_by(outbox.c.id)
    .limit(bindparam("limit"))
)
OVERDUE = (
    select(*STORED)
    .where(outbox.c.id > bindparam("after"), outbox.c.created_at < func.now() - bindparam("grace", type_=INTERVAL))
    .order_by(outbox.c.id)
    .limit(bindparam("limit"))
)
CLEAR = delete(outbox).where(outbox.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
DEPTH = select(func.count(), func.coalesce(func.extract("epoch", func.now() - func.min(outbox.c.created_at)), 0))


class Promised(NamedTuple):
    """A message to publish. Those with the same `ordering_key` go out in the order of their ids.

    `follows` is False where there can be none before it.
    """

    envelope: Envelope
    ordering_key: str | None = None
    follows: bool = False


class Stored(NamedTuple):
    id: int
    envelope: Envelope
    ordering_key: str | None
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Depth:
    messages: int
    oldest_seconds: float


async def add(connection: AsyncConnection, promised: Sequence[Promised]) -> list[Stored]:
    """In the same order."""
    if not promised:
        return []
    rows = [
        (
            message.ordering_key,
            message.envelope.exchange,
            message.envelope.routing_key,
            message.envelope.message_id,
            message.envelope.type,
            message.envelope.content_type,
            to_json(dict(message.envelope.headers)).decode(),
            message.envelope.body,
        )
        for message in promised
    ]
    message_ids, ids = await ADD(connection, rows)
    id_of = dict(zip(message_ids, ids, strict=True))
    return [Stored(id_of[message.envelope.message_id or ""], *message) for message in promised]


async def earlier(connection: AsyncConnection, keys: Collection[str], *, before: int, limit: int) -> list[Stored]:
    """What is still promised of these ordering keys from before the message with that id, oldest first."""
    rows = await connection.execute(EARLIER, {"keys": sorted(keys), "before": before, "limit": limit})
    return [_stored(row) for row in rows]


async def overdue(connection: AsyncConnection, *, grace: float, after: int, limit: int) -> list[Stored]:
    """Messages older than `grace` seconds with an id above `after`, oldest first."""
    rows = await connection.execute(OVERDUE, {"grace": timedelta(seconds=grace), "after": after, "limit": limit})
    return [_stored(row) for row in rows]


async def clear(connection: AsyncConnection, ids: Collection[int]) -> None:
    """Only for messages that the broker has confirmed."""
    if ids:
        await connection.execute(CLEAR, {"ids": list(ids)})


async def depth(connection: AsyncConnection) -> Depth:
    row = (await connection.execute(DEPTH)).one()
    return Depth(int(row[0]), float(row[1]))


def _stored(row: Row[*tuple[object, ...]]) -> Stored:
    fields = row._mapping
    envelope = Envelope(
        exchange=fields["exchange"],
        routing_key=fields["routing_key"],
        type=fields["type"],
        body=fields["body"],
        message_id=fields["message_id"],
        content_type=fields["content_type"],
        headers=fields["headers"],
    )
    return Stored(fields["id"], envelope, fields["ordering_key"])
