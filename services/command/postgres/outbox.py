"""Messages that are promised with a commit and not yet known to be on a queue.

A set: ids are not in the order of commits, so nobody may remember a place in it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Row, Select, any_, bindparam, cast, column, delete, func, select, table
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL, aggregate_order_by, array
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Integer, LargeBinary, Text

from services.command.postgres.events import APPEND
from services.command.postgres.row_insert import Addition, RowInsert
from services.command.postgres.tables import outbox
from shared.messaging.envelope import Envelope, HeaderValue

COLUMNS = ("ordering_key", "exchange", "routing_key", "message_id", "type", "content_type", "headers")
STORED = (outbox.c.id, *(outbox.c[name] for name in COLUMNS), outbox.c.body)
_BEFORE, _AFTER, _OTHERS = "outbox_before", "outbox_after", "outbox_others"


class PromisedInsert(RowInsert):
    """Bodies are put together by the server, around the positions that the same statement gives the events: that of the
    n-th event for the n-th message, and the last one for those beyond.
    """

    def __init__(self, events: RowInsert | None) -> None:
        same = ["exchange", "routing_key", "type", "content_type"]
        super().__init__(outbox, COLUMNS, often_same=same, returning="id")
        self._events = events

    def rows(self, same: Sequence[str]) -> tuple[list[str], Select[Any]]:
        columns, rows = super().rows(same)
        before, after = (func.unnest(bindparam(name, type_=ARRAY(LargeBinary))) for name in (_BEFORE, _AFTER))
        position = func.convert_to(func.unnest(self._positions()), "UTF8")
        return [*columns, "body"], rows.add_columns(before.op("||")(position).op("||")(after).label("body"))

    def _positions(self) -> ColumnElement[Any]:
        others = array([bindparam(_OTHERS, type_=Integer)])
        if self._events is None:
            return func.array_fill(cast("null", Text), others)
        new = table(self._events.name, column("position", BigInteger))
        as_text = func.array_agg(aggregate_order_by(cast(new.c.position, Text), new.c.position))
        last = func.array_fill(cast(func.max(new.c.position), Text), others)
        return select(as_text.op("||")(last)).scalar_subquery()


ADD_ALONE = PromisedInsert(None)
ADD_WITH_EVENTS = PromisedInsert(APPEND)
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
    """A message to publish, whose body is JSON around a position in the log. Those with the same `ordering_key` go out
    in the order of their ids.

    `follows` is False where there can be none before it.
    """

    exchange: str
    routing_key: str
    message_id: str
    type: str
    content_type: str
    headers: Mapping[str, HeaderValue]
    around_position: tuple[bytes, bytes]
    ordering_key: str | None = None
    follows: bool = False

    def envelope(self, position: int | None) -> Envelope:
        before, after = self.around_position
        return Envelope(
            exchange=self.exchange,
            routing_key=self.routing_key,
            type=self.type,
            body=b"%b%b%b" % (before, b"null" if position is None else b"%d" % position, after),
            message_id=self.message_id,
            content_type=self.content_type,
            headers=self.headers,
        )


class Stored(NamedTuple):
    id: int
    envelope: Envelope
    ordering_key: str | None
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Depth:
    messages: int
    oldest_seconds: float


def addition(promised: Sequence[Promised], *, events: int) -> Addition:
    """There must be one. The first messages are those of the events that the same statement appends, one for each.
    Inserting gives their ids in the same order.
    """
    rows = [
        (
            message.ordering_key,
            message.exchange,
            message.routing_key,
            message.message_id,
            message.type,
            message.content_type,
            to_json(dict(message.headers)).decode(),
        )
        for message in promised
    ]
    insert = ADD_WITH_EVENTS if events else ADD_ALONE
    before, after = zip(*(message.around_position for message in promised), strict=True)
    added = insert.of(rows)
    added.parameters.update({_BEFORE: list(before), _AFTER: list(after), _OTHERS: len(promised) - events})
    return added


def stored(promised: Sequence[Promised], added: Mapping[RowInsert, Sequence[int]]) -> list[Stored]:
    """The messages as they are in the outbox now. `added` is what inserting them, and the events, gave."""
    positions = added.get(APPEND, ())
    ids = added.get(ADD_WITH_EVENTS if positions else ADD_ALONE, ())
    last = positions[-1] if positions else None
    beyond = repeat(last, len(ids) - len(positions))
    return [
        Stored(id_, message.envelope(position), message.ordering_key, message.follows)
        for message, position, id_ in zip(promised, chain(positions, beyond), ids, strict=True)
    ]


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
