"""Live queries as Python programs and operators use them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

import pytest
from yarl import URL

from services.query.domain_event import DomainEvent
from services.query.settings import QuerySettings
from shared.client import CqrsClient
from shared.client_live import LiveAnswers
from shared.contracts.answer import Answered, Failed
from shared.contracts.queries import GetAllUsers, GetSignupStats, GetUserById
from shared.contracts.views import UserPage, UserPageUpdate, UserView
from shared.messaging.management_api import ManagementApi
from tests.integration.query.service_scene import World, running
from tests.unit.query.given_events import created, renamed


@pytest.fixture
async def client(vhost_url: str) -> AsyncIterator[CqrsClient]:
    async with CqrsClient.connect(vhost_url) as client:
        yield client


async def versions(answers: LiveAnswers[UserView, UserView], last: int, seconds: float = 60) -> list[int]:
    """The versions that come, up to the last one."""
    seen: list[int] = []
    async with asyncio.timeout(seconds):
        async for answer in answers:
            assert isinstance(answer, Answered)
            seen.append(answer.data.version)
            if seen[-1] >= last:
                break
    return seen


async def test_an_answer_and_every_change_of_it(world: World, settings: QuerySettings, client: CqrsClient) -> None:
    world.log += [created("alice"), renamed("alice", 2, "Al"), renamed("alice", 3, "Ali")]
    async with running(settings), client.subscribe(GetUserById(user_id="alice")) as answers:
        first = await anext(aiter(answers))
        await world.emit(world.log)

        assert isinstance(first, Failed)
        assert first.error.code == "user_not_found"
        assert await versions(answers, 3) == [1, 2, 3]


async def test_lists_and_statistics_have_their_own_updates(
    world: World, settings: QuerySettings, client: CqrsClient
) -> None:
    async with (
        running(settings),
        client.subscribe(GetAllUsers(status="active")) as users,
        client.subscribe(GetSignupStats()) as stats,
    ):
        page, count = await anext(aiter(users)), await anext(aiter(stats))
        await world.emit([created("alice")])
        update, counted = await anext(aiter(users)), await anext(aiter(stats))

    assert isinstance(page, Answered)
    assert isinstance(page.data, UserPage)
    assert isinstance(update, Answered)
    assert isinstance(update.data, UserPageUpdate)
    assert [change.user_id for change in update.data.changes] == ["alice"]
    assert isinstance(count, Answered)
    assert isinstance(counted, Answered)
    assert sum(bucket.signups for bucket in counted.data.items) == 1


async def test_it_goes_on_in_another_process_when_one_stops(
    world: World, settings: QuerySettings, client: CqrsClient
) -> None:
    world.log += [created("alice"), *(renamed("alice", number, f"Al {number}") for number in range(2, 13))]
    await world.emit(world.log[:1])
    async with client.subscribe(GetUserById(user_id="alice")) as answers:
        async with running(settings):
            await world.wait_for_users({"alice": 1})
            first = await versions(answers, 1)
        await world.emit(world.log[1:6])
        async with running(settings):
            second = await versions(answers, 6)
        await world.emit(world.log[6:])
        async with running(settings):
            third = await versions(answers, 12)

    assert (first, second, third) == ([1], [2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12])


async def test_it_goes_on_when_the_connections_are_cut(
    world: World, settings: QuerySettings, client: CqrsClient, rabbitmq_api_url: str
) -> None:
    world.log += [created("alice"), *(renamed("alice", number, f"Al {number}") for number in range(2, 11))]
    await world.emit(world.log[:1])
    async with running(settings), client.subscribe(GetUserById(user_id="alice")) as answers:
        await world.wait_for_users({"alice": 1})
        first = await versions(answers, 1)
        await cut_connections(rabbitmq_api_url, URL(world.url).path.removeprefix("/"))
        await asyncio.sleep(1)
        for event in world.log[1:]:
            await emit_surely(world, [event])

        assert (first, await versions(answers, 10)) == ([1], list(range(2, 11)))


async def test_a_query_that_is_refused_ends_with_its_reason(
    world: World, settings: QuerySettings, client: CqrsClient
) -> None:
    async with running(settings):
        answers = [answer async for answer in client.subscribe(GetAllUsers(cursor="nonsense"))]

    assert [answer.error.code for answer in answers if isinstance(answer, Failed)] == ["bad_cursor"]
    assert len(answers) == 1


async def test_an_operator_watches_a_user(world: World, settings: QuerySettings) -> None:
    world.log += [created("alice"), renamed("alice", 2, "Al")]
    async with running(settings):
        await world.emit(world.log[:1])
        await world.wait_for_users({"alice": 1})
        command = [sys.executable, "-m", "services.ops.main", "watch", "GetUserById", "user_id=alice"]
        process = await asyncio.create_subprocess_exec(
            *command,
            "--count",
            "2",
            "--json",
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"CQRS_AMQP_URL": world.url},
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            first = json.loads(await process.stdout.readline())
            await world.emit(world.log[1:])
            second = json.loads(await process.stdout.readline())
            exit_code = await process.wait()

    assert [answer["data"]["name"] for answer in (first, second)] == ["Alice", "Al"]
    assert exit_code == 0


async def cut_connections(api_url: str, vhost: str) -> None:
    async with ManagementApi(api_url) as api:
        async with asyncio.timeout(30):
            while not (connections := await api.get("vhosts", vhost, "connections")):
                await asyncio.sleep(0.2)
        for connection in connections:
            await api.delete("connections", connection["name"])


async def emit_surely(world: World, events: list[DomainEvent]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await world.emit(events)
            except AssertionError:
                await asyncio.sleep(0.2)
            else:
                return
