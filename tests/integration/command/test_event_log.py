"""`ReadEvents` over the broker."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from shared.contracts.answer import ANSWER, Answered
from shared.contracts.queries.read_events import AggregateCursor, ReadEvents
from shared.contracts.views import EventPage
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.rpc_client import RpcClient
from tests.integration.command.client import Client, create
from tests.integration.command.conftest import Start


class Reader:
    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def answer(self, body: bytes, type_: str = "ReadEvents") -> dict[str, Any]:
        request = Envelope(exchange="event-log", routing_key="event-log", type=type_, body=body)
        document: dict[str, Any] = json.loads((await self._rpc.call(request, timeout=10)).body)
        return document

    async def page(self, *cursors: tuple[str, int], limit: int = 1000) -> EventPage:
        aggregates = [AggregateCursor(aggregate_type="user", aggregate_id=id_, after_version=v) for id_, v in cursors]
        body = ReadEvents(aggregates=aggregates, limit=limit).model_dump_json().encode()
        answer = ANSWER.validate_python(await self.answer(body))
        assert isinstance(answer, Answered)
        return EventPage.model_validate(answer.data)


@pytest.fixture
async def reader(vhost_url: str) -> AsyncIterator[Reader]:
    async with SupervisedConnection(vhost_url, name="test") as connection, RpcClient(connection) as rpc:
        yield Reader(rpc)


def versions(page: EventPage) -> list[tuple[str, int]]:
    return [(event.aggregateid, event.aggregateversion) for event in page.events]


async def test_each_aggregate_is_read_after_its_version_in_pages(start: Start, client: Client, reader: Reader) -> None:
    published = await client.subscribe("events", "user.UserCreated")
    async with start():
        for user_id in ("alice", "bob"):
            await client.command("CreateUser", create(user_id))
            for name in ("A", "B", "C"):
                await client.command("RenameUser", {"user_id": user_id, "name": name})
        page = await reader.page(("bob", 2), ("nobody", 0), ("alice", 0))
        assert versions(page) == [("bob", 3), ("bob", 4), ("alice", 1), ("alice", 2), ("alice", 3), ("alice", 4)]
        assert not page.more

        first = await reader.page(("bob", 2), ("alice", 0), limit=4)
        assert (versions(first), first.more) == ([("bob", 3), ("bob", 4), ("alice", 1), ("alice", 2)], True)
        rest = await reader.page(("bob", 4), ("alice", 2), limit=2)
        assert (versions(rest), rest.more) == ([("alice", 3), ("alice", 4)], False)

        created = json.loads((await published.take(2))[0].body)
        (logged,) = (await reader.page(("alice", 0), limit=1)).events
        assert json.loads(logged.model_dump_json()) == created


async def test_a_page_stops_before_it_is_too_large_for_one_message(
    start: Start, client: Client, reader: Reader, sql: asyncpg.Connection
) -> None:
    await sql.execute("""
        INSERT INTO events (event_id, aggregate_type, aggregate_id, version, type, schema_version, time, data)
        SELECT gen_random_uuid(), 'user', 'alice', n, 'UserRenamed', 1, now(),
            jsonb_build_object('x', repeat('x', 300000))
        FROM generate_series(1, 5) AS n
    """)
    async with start():
        page = await reader.page(("alice", 0))
        assert (versions(page), page.more) == ([("alice", 1), ("alice", 2), ("alice", 3)], True)
        page = await reader.page(("alice", 3))
        assert (versions(page), page.more) == ([("alice", 4), ("alice", 5)], False)


async def test_a_wrong_request_is_answered_with_an_error(start: Start, client: Client, reader: Reader) -> None:
    async with start():
        for type_, body, code in (
            ("ReadEvents", b"{}", "invalid_message"),
            ("ReadEvents", b"not json", "invalid_message"),
            ("GetUserById", b"{}", "unknown_type"),
        ):
            assert (await reader.answer(body, type_))["error"]["code"] == code
