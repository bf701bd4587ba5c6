"""`ReadLog`, `ReadHistories` and `ReadLogHead` over the broker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Any

import asyncpg
import pytest

from shared.contracts.answer import Answered
from shared.contracts.base import Query
from shared.contracts.queries.read_events import AggregateCursor, ReadEvents
from shared.contracts.queries.read_log import LogHead, LogPage, ReadHistories, ReadLog, ReadLogHead
from shared.contracts.views import EventPage
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.rpc_client import RpcClient
from tests.integration.command.client import Client, create
from tests.integration.command.conftest import Start

INSERT = """
    INSERT INTO events (event_id, aggregate_type, aggregate_id, version, type, schema_version, time, data)
    VALUES (gen_random_uuid(), 'user', $1, $2, 'UserRenamed', 1, now(), '{}') RETURNING position
"""


class Reader:
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def ask(self, query: Query) -> Any:
        request = Envelope(
            exchange="event-log",
            routing_key="event-log",
            type=type(query).type,
            body=query.model_dump_json().encode(),
        )
        reply = await self._rpc.call(request, timeout=10)
        return Answered[type(query).view].model_validate_json(reply.body).data  # type: ignore[misc]

    async def log(self, after: int, limit: int = 5000) -> LogPage:
        page: LogPage = await self.ask(ReadLog(after=after, limit=limit))
        return page

    async def ids(self, after: int) -> tuple[list[str], int]:
        page = await self.log(after)
        return [event.aggregateid for event in page.events], page.position


@pytest.fixture
async def reader(vhost_url: str) -> AsyncIterator[Reader]:
    async with SupervisedConnection(vhost_url, name="test") as connection, RpcClient(connection) as rpc:
        yield Reader(rpc)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


async def test_the_log_is_read_by_position_in_pages(start: Start, client: Client, reader: Reader) -> None:
    async with start():
        for user_id in ("alice", "bob", "carol"):
            await client.command("CreateUser", create(user_id))
        first = await reader.log(0, limit=2)
        rest = await reader.log(first.position, limit=2)
        nothing = await reader.log(rest.position)

        by_aggregate: EventPage = await reader.ask(
            ReadEvents(aggregates=[AggregateCursor(aggregate_type="user", aggregate_id="bob", after_version=0)])
        )

    assert ([each.aggregateid for each in first.events], first.more) == (["alice", "bob"], True)
    assert ([each.aggregateid for each in rest.events], rest.more) == (["carol"], False)
    assert (nothing.events, nothing.more, nothing.position) == ([], False, rest.position)
    assert first.events[1] == by_aggregate.events[0]
    assert first.events[1].time.utcoffset() == timedelta(0)


async def test_an_event_that_is_committed_late_is_not_skipped(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection, admin_database: str
) -> None:
    """Positions are handed out in one order and committed in another."""
    async with start(), connected(admin_database) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.fetchval("SELECT pg_current_xact_id()")
        earlier = await slow.fetchval(INSERT, "slow", 1)
        later = await sql.fetchval(INSERT, "quick", 1)
        assert earlier < later

        assert await reader.ids(0) == ([], 0)
        waiting = asyncio.create_task(reader.ids(0))
        await asyncio.sleep(0.1)
        await transaction.commit()

        assert await waiting == (["slow", "quick"], later)


async def test_a_position_is_waited_for_also_when_its_transaction_is_the_youngest(
    start: Start, client: Client, reader: Reader, admin_database: str
) -> None:
    async with start(), connected(admin_database) as older, connected(admin_database) as younger:
        first, second = older.transaction(), younger.transaction()
        await first.start()
        await older.fetchval("SELECT pg_current_xact_id()")
        await second.start()
        await younger.fetchval("SELECT pg_current_xact_id()")
        await younger.fetchval(INSERT, "slow", 1)
        later = await older.fetchval(INSERT, "quick", 1)
        await first.commit()  # no transaction after the slow one has ended: PostgreSQL's xmax is its id
        waiting = asyncio.create_task(reader.ids(0))
        await asyncio.sleep(0.1)
        await second.commit()

        assert await waiting == (["slow", "quick"], later)


async def test_a_transaction_that_began_before_takes_no_position_that_was_passed(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection, admin_database: str
) -> None:
    async with start(), connected(admin_database) as old:
        transaction = old.transaction()
        await transaction.start()
        await old.fetchval("SELECT pg_current_xact_id()")
        await sql.fetchval(INSERT, "quick", 1)
        reading = asyncio.create_task(reader.ids(0))
        await asyncio.sleep(0.1)
        late = await old.fetchval(INSERT, "old", 1)
        await transaction.commit()

        first, position = await reading
        second, end = await reader.ids(position)

    assert (first + second, end) == (["quick", "old"], late)


async def test_every_event_of_writers_at_work_is_read_once(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection, admin_database: str
) -> None:
    done = asyncio.Event()

    async def write(name: str) -> None:
        async with connected(admin_database) as writer:
            for version in range(1, 151):
                async with writer.transaction():
                    await writer.fetchval("SELECT pg_current_xact_id()")
                    await writer.fetchval(INSERT, name, version)
                    await asyncio.sleep(0.001 * (version % 4))

    async def read() -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        position = 0
        while True:
            last = done.is_set()
            page = await reader.log(position)
            found += [(each.aggregateid, each.aggregateversion) for each in page.events]
            position = page.position
            if last:
                return found

    async with start():
        reading = asyncio.create_task(read())
        await asyncio.gather(*(write(f"writer-{n}") for n in range(4)))
        done.set()
        found = await reading

    assert len(found) == len(set(found)) == 600


async def test_histories_come_aggregate_by_aggregate_in_the_order_of_bytes(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection
) -> None:
    async with start():
        for version in (1, 2):
            for name in ("b", "_", "a-b", "B", "a.b", "ab", "Z"):
                await sql.fetchval(INSERT, name, version)
        found: list[tuple[str, int]] = []
        page = EventPage(events=[], more=True)
        query = ReadHistories(aggregate_type="user", limit=3)
        while page.more:
            page = await reader.ask(query)
            found += [(each.aggregateid, each.aggregateversion) for each in page.events]
            query = query.model_copy(update={"after_id": found[-1][0], "after_version": found[-1][1]})
        rest: EventPage = await reader.ask(ReadHistories(aggregate_type="user", after_id="_"))

    names = sorted(("b", "_", "a-b", "B", "a.b", "ab", "Z"), key=str.encode)
    assert found == [(name, version) for name in names for version in (1, 2)]
    assert [each.aggregateid for each in rest.events[::2]] == ["a-b", "a.b", "ab", "b"]


async def test_the_head_says_how_far_behind_a_position_is(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection
) -> None:
    async with start():
        empty: LogHead = await reader.ask(ReadLogHead(after=[0]))
        positions = [await sql.fetchval(INSERT, name, 1) for name in ("a", "b", "c")]
        await sql.execute("UPDATE events SET time = now() - interval '1 hour' WHERE aggregate_id = 'b'")
        head: LogHead = await reader.ask(ReadLogHead(after=[positions[0], positions[2]]))

    assert (empty.position, empty.time, empty.behind[0].events) == (0, None, 0)
    assert head.position == head.settled == positions[2]
    assert head.time is not None
    assert head.time.tzinfo == UTC or head.time.utcoffset() == timedelta(0)
    assert [each.events for each in head.behind] == [2, 0]
    assert 3500 < head.behind[0].seconds < 3700
    assert head.behind[1].seconds == 0


async def test_large_events_make_small_pages(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection
) -> None:
    await sql.execute("""
        INSERT INTO events (event_id, aggregate_type, aggregate_id, version, type, schema_version, time, data)
        SELECT gen_random_uuid(), 'user', 'alice', n, 'UserRenamed', 1, now(),
            jsonb_build_object('x', repeat('x', 1500000))
        FROM generate_series(1, 5) AS n
    """)
    async with start():
        page = await reader.log(0)
        rest = await reader.log(page.position)

    assert ([each.aggregateversion for each in page.events], page.more) == ([1, 2], True)
    assert [each.aggregateversion for each in rest.events] == [3, 4]


async def test_a_wrong_request_is_answered_with_an_error(start: Start, client: Client, vhost_url: str) -> None:
    async with (
        start(),
        SupervisedConnection(vhost_url, name="test") as connection,
        RpcClient(connection) as rpc,
    ):
        request = Envelope(exchange="event-log", routing_key="event-log", type="ReadLog", body=b'{"after": -1}')
        answer = json.loads((await rpc.call(request, timeout=10)).body)

    assert answer["error"]["code"] == "invalid_message"
