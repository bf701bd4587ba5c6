"""The event log: appended to, never changed."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Row, Text, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.command.postgres.row_insert import Addition, RowInsert
from services.command.postgres.tables import events
from shared.contracts.cloud_event import CloudEvent, subject
from shared.contracts.queries.read_events import AggregateCursor

ENVELOPE_BYTES = 700
"""What an event takes in an answer beside its data, roughly."""

_cursors = (
    func.unnest(
        bindparam("types", type_=ARRAY(Text)),
        bindparam("ids", type_=ARRAY(Text)),
        bindparam("after", type_=ARRAY(BigInteger)),
    )
    .table_valued("type", "id", "after", with_ordinality="number", name="cursor")
    .render_derived()
)
_after = (
    select(events)
    .where(
        events.c.aggregate_type == _cursors.c.type,
        events.c.aggregate_id == _cursors.c.id,
        events.c.version > _cursors.c.after,
    )
    .order_by(events.c.version)
    .limit(bindparam("limit"))
    .lateral("event")
)
READ = (
    select(
        _after,
        (
            func.sum(func.octet_length(cast(_after.c.data, Text)) + ENVELOPE_BYTES)
            .over(order_by=(_cursors.c.number, _after.c.version))
            .label("bytes")
        ),
    )
    .select_from(_cursors.join(_after, true()))
    .order_by(_cursors.c.number, _after.c.version)
    .limit(bindparam("limit"))
)


class NewEvent(NamedTuple):
    """An event on its way into the log: the columns that it fills, in this order. `data` is JSON text."""

    event_id: UUID
    aggregate_type: str
    aggregate_id: str
    version: int
    type: str
    schema_version: int
    data: str
    correlation_id: str | None
    causation_id: UUID
    actor: str | None


COLUMNS = NewEvent._fields
APPEND = RowInsert(
    events,
    COLUMNS,
    now=["time"],
    often_same=["aggregate_type", "type", "schema_version", "actor"],
    returning="position",
    transaction="transaction_id",
)


def addition(new: Sequence[NewEvent]) -> Addition:
    """There must be one. Inserting gives their positions in the same order, and raises IntegrityError when another
    process has appended one of these versions.
    """
    return APPEND.of(new)


async def read(
    connection: AsyncConnection, cursors: Sequence[AggregateCursor], *, limit: int, max_bytes: int
) -> tuple[list[CloudEvent], bool]:
    """The events after each cursor, aggregate by aggregate in the order asked, and whether there are more.

    Stops before `limit` events or about `max_bytes` bytes of answer are exceeded, but gives one event at least.
    """
    result = await connection.execute(
        READ,
        {
            "types": [cursor.aggregate_type for cursor in cursors],
            "ids": [cursor.aggregate_id for cursor in cursors],
            "after": [cursor.after_version for cursor in cursors],
            "limit": limit + 1,
        },
    )
    rows = result.all()
    fitting = [row for number, row in enumerate(rows) if number < limit and (number == 0 or row.bytes <= max_bytes)]
    return [_cloud_event(row) for row in fitting], len(fitting) < len(rows)


def _cloud_event(row: Row[*tuple[Any, ...]]) -> CloudEvent:
    return CloudEvent(
        id=row.event_id,
        type=row.type,
        subject=subject(row.aggregate_type, row.aggregate_id),
        time=row.time,
        aggregatetype=row.aggregate_type,
        aggregateid=row.aggregate_id,
        aggregateversion=row.version,
        schemaversion=row.schema_version,
        position=row.position,
        correlationid=row.correlation_id,
        causationid=row.causation_id,
        actor=row.actor,
        data=row.data,
    )
