"""What the peers write and when a drain counts as done, on a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast
from uuid import uuid4

import asyncpg
import pytest
from pymongo import AsyncMongoClient
from yarl import URL

from tests.benchmarks.commands import Command, creates, update_of
from tests.benchmarks.peer import COUNTED, WATCHED
from tests.benchmarks.peers.view import AsyncView, SyncView, create_indexes
from tests.benchmarks.stores import Stores, Visibility

Apply: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
NO_POSTGRES = cast("asyncpg.Connection[asyncpg.Record]", None)


@pytest.fixture
def database_url(mongo_admin_url: str) -> str:
    url = URL(mongo_admin_url)
    return str(url.with_path(f"/test_bench_{uuid4().hex}").with_query(url.query))  # authSource stands there


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    create_indexes(database_url)
    async with AsyncMongoClient[dict[str, Any]](database_url, tz_aware=True) as client:
        database = client.get_default_database().name
        yield Stores(NO_POSTGRES, client, database)
        await client.drop_database(database)


@pytest.fixture(params=["asyncio", "threads"])
async def apply(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Apply]:
    if request.param == "asyncio":
        view = AsyncView(database_url)
        yield view.apply
        await view.close()
    else:
        sync = SyncView(database_url)
        yield lambda event: asyncio.to_thread(sync.apply, event)
        sync.close()


def event(command: Command) -> dict[str, Any]:
    kind = {"CreateUser": "UserCreated", "UpdateUserEmail": "UserEmailUpdated"}[command.type]
    return {
        "type": kind,
        "aggregateid": command.user_id,
        "aggregateversion": command.version,
        "time": "2026-11-22T12:00:00+00:00",
        "causationid": command.id,
        "data": command.body,
    }


async def test_a_drain_is_done_when_every_read_model_has_every_command(stores: Stores, apply: Apply) -> None:
    commands = creates(3, "peers")
    visibility = Visibility(stores, WATCHED, COUNTED, commands)
    await visibility.begin()

    for command in commands[:2]:
        await apply(event(command))
    assert not await visibility.complete()
    assert set(visibility.missing()) == {watched.collection for watched in WATCHED}

    await apply(event(commands[2]))
    assert await visibility.complete()


@pytest.mark.parametrize("collection", ["users", "command_status", "user_directory", "user_history", "signup_stats"])
async def test_a_drain_is_not_done_while_one_read_model_lacks_something(
    stores: Stores, apply: Apply, collection: str
) -> None:
    commands = creates(2, "peers")
    visibility = Visibility(stores, WATCHED, COUNTED, commands)
    await visibility.begin()
    for command in commands:
        await apply(event(command))
    await stores.documents[collection].delete_many({})

    assert not await visibility.complete()


async def test_an_event_that_comes_again_or_too_late_changes_nothing(stores: Stores, apply: Apply) -> None:
    (create,) = creates(1, "peers")
    update = update_of(create.user_id, 1)
    for command in (create, update, create, update):
        await apply(event(command))

    user = await stores.documents["users"].find_one({"_id": create.user_id})
    assert user is not None
    assert (user["version"], user["email"]) == (2, update.body["new_email"])
    assert await stores.documents["user_history"].count_documents({}) == 2
    (day,) = await stores.documents["signup_stats"].find().to_list()
    assert day == {"_id": "2026-11-22", "signups": 1, "active": 1}
