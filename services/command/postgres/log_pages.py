"""The event log in large pages, of which PostgreSQL itself writes the JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

_EVENT = """
    SELECT position, aggregate_id, row_to_json((SELECT event FROM (SELECT
        event_id AS id, type, aggregate_type || '/' || aggregate_id AS subject, time,
        aggregate_type AS aggregatetype, aggregate_id AS aggregateid, version AS aggregateversion,
        schema_version AS schemaversion, position, correlation_id AS correlationid, causation_id AS causationid,
        actor, data
    ) AS event))::text AS event
    FROM events
"""
BY_POSITION = text(f"{_EVENT} WHERE position > :after AND position <= :settled ORDER BY position LIMIT :limit")
BY_AGGREGATE = text(
    f"{_EVENT} WHERE aggregate_type = :type AND (aggregate_id, version) > (:id, :version)"
    " ORDER BY aggregate_id, version LIMIT :limit"
)
HORIZON = text("""
    SELECT coalesce(max(position), 0) AS position,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running,
        -- Not the snapshot's xmax: that is the id after the last which has ended, and later ones may be running.
        pg_current_xact_id()::text::bigint AS next
    FROM events
""")
OLDEST_RUNNING = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
HEAD = text("SELECT position, time FROM events ORDER BY position DESC LIMIT 1")
BEHIND = text("""
    SELECT (
        -- Counting takes its time; of many the positions say enough.
        SELECT CASE WHEN max(position) - place > 2000000 THEN max(position) - place
            ELSE (SELECT count(*) FROM events WHERE position > place) END
        FROM events
    ),
        (SELECT extract(epoch FROM now() - time)::float8 FROM events WHERE position > place ORDER BY position LIMIT 1)
    FROM unnest(:places) WITH ORDINALITY AS given(place, number) ORDER BY number
""").bindparams(bindparam("places", type_=ARRAY(BigInteger)))


@dataclass(frozen=True, slots=True)
class Page:
    """`events` is the inside of a JSON array. `last` is the position of the last one, None where there is none; `more`
    says that the limit cut the page.
    """

    events: str
    last: int | None
    more: bool


@dataclass(frozen=True, slots=True)
class Horizon:
    """The newest position that could be seen, and the transactions that might still write one before it: none that ran
    then has an id of `next` or above (it was given out afterwards), and each had one of `oldest_running` at least.
    """

    position: int
    oldest_running: int
    next: int


async def after_position(connection: AsyncConnection, after: int, settled: int, *, limit: int, max_bytes: int) -> Page:
    """Events after `after`, up to `settled`. Stops before about `max_bytes`, but gives one event at least."""
    rows = (await connection.execute(BY_POSITION, {"after": after, "settled": settled, "limit": limit + 1})).all()
    return _page(rows, limit, max_bytes)


async def after_aggregate(
    connection: AsyncConnection, type_: str, id_: str, version: int, *, limit: int, max_bytes: int
) -> Page:
    """Events after that version of that aggregate, and then those of all aggregates with a larger id."""
    rows = await connection.execute(BY_AGGREGATE, {"type": type_, "id": id_, "version": version, "limit": limit + 1})
    return _page(rows.all(), limit, max_bytes)


async def horizon(connection: AsyncConnection) -> Horizon:
    row = (await connection.execute(HORIZON)).one()
    return Horizon(row.position, row.oldest_running, row.next)


async def oldest_running(connection: AsyncConnection) -> int:
    """The lowest id of a transaction that has not ended."""
    return int((await connection.execute(OLDEST_RUNNING)).scalar_one())


async def head(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """Position and time of the newest event."""
    row = (await connection.execute(HEAD)).one_or_none()
    return (0, None) if row is None else (row.position, row.time)


async def behind(connection: AsyncConnection, places: Sequence[int]) -> list[tuple[int, float]]:
    """For each position, how many events come after it (more than two million roughly) and the age of the first of them
    in seconds.
    """
    rows = await connection.execute(BEHIND, {"places": list(places)})
    return [(events, max(0.0, seconds or 0.0)) for events, seconds in rows]


def _page(rows: Sequence[Row[*tuple[object, ...]]], limit: int, max_bytes: int) -> Page:
    size, number = 0, 0
    for row in rows[:limit]:
        size += len(row.event) + 1
        if number and size > max_bytes:
            break
        number += 1
    taken = rows[:number]
    return Page(",".join(row.event for row in taken), taken[-1].position if taken else None, number < len(rows))
