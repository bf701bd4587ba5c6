import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from services.query.mongo.client import SELECT_SERVER_MS, mongo_client
from services.query.mongo.setup import set_up
from services.query.read_model import Document
from services.query.settings import SetupSettings
from tests.integration.query.own_mongod import OwnMongod, own_mongod
from tests.integration.query.service_scene import World, http_get, running, settings_for
from tests.support.tcp_proxy import TcpProxy
from tests.unit.query.given_events import created, renamed


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[OwnMongod]:
    async with own_mongod(tmp_path, "--replSet", "rs0", "--setParameter", "enableTestCommands=1") as mongod:
        await set_up(SetupSettings.model_validate({"mongo_url": mongod.url}))
        yield mongod


async def test_while_mongodb_is_dead_nothing_is_lost_and_it_says_so(mongod: OwnMongod, vhost_url: str) -> None:
    async with (
        mongo_client(mongod.url) as client,
        World(vhost_url, client["cqrs"]) as world,
        running(settings_for(vhost_url, mongod.url, client["cqrs"])) as service,
    ):
        await world.emit([created(f"user-{n}") for n in range(100)])
        await world.wait_for_users({f"user-{n}": 1 for n in range(100)})

        await mongod.kill()
        await world.emit([renamed(f"user-{n}", 2, "X") for n in range(100)])
        async with asyncio.timeout(20):
            while (await http_get(service, "/readyz"))[0] != 503:
                await asyncio.sleep(0.1)
        answer = await world.ask("GetUserById", user_id="user-1")
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("internal", True)

        await mongod.start()
        await world.wait_for_users({f"user-{n}": 2 for n in range(100)})
        async with asyncio.timeout(20):
            while (status := await http_get(service, "/readyz"))[0] != 200:
                await asyncio.sleep(0.1)
        _, metrics = await http_get(service, "/metrics")

    assert all(trouble is None for trouble in json.loads(status[1])["checks"].values())
    assert 'result="dead_lettered"' not in metrics
    assert 'result="parked"' not in metrics


async def test_who_asks_while_mongodb_is_out_of_reach_is_answered_once_it_is_back(
    mongod: OwnMongod, vhost_url: str
) -> None:
    async with (
        TcpProxy(mongod.port) as proxy,
        mongo_client(mongod.url) as client,
        World(vhost_url, client["cqrs"]) as world,
        running(settings_for(vhost_url, mongod.direct_url.replace(str(mongod.port), str(proxy.port)), client["cqrs"])),
    ):
        await world.emit([created("alice")])
        await world.wait_for_users({"alice": 1})
        proxy.cut()
        asked = asyncio.create_task(world.ask("GetUserById", user_id="alice"))
        await asyncio.sleep(SELECT_SERVER_MS / 1000 + 0.5)  # the first attempt has failed
        still_asked = not asked.done()
        proxy.heal()

        assert (await asked)["data"]["version"] == 1
        assert still_asked


async def test_a_primary_that_steps_down_under_load_costs_nothing(mongod: OwnMongod, vhost_url: str) -> None:
    async with (
        mongo_client(mongod.url) as client,
        World(vhost_url, client["cqrs"]) as world,
        running(settings_for(vhost_url, mongod.url, client["cqrs"])),
    ):
        for version in range(1, 7):
            steps = [created(f"user-{n}") if version == 1 else renamed(f"user-{n}", version, "X") for n in range(50)]
            await world.emit(steps)
            if version % 2 == 0:
                await step_down(mongod)
        await world.wait_for_users({f"user-{n}": 6 for n in range(50)}, seconds=60)


async def test_writes_that_fail_on_their_way_are_written_anew(mongod: OwnMongod, vhost_url: str) -> None:
    async with (
        mongo_client(mongod.url) as client,
        World(vhost_url, client["cqrs"]) as world,
        running(settings_for(vhost_url, mongod.url, client["cqrs"])) as service,
    ):
        await cut_next(client, "insert", times=5)
        await world.emit([created(f"user-{n}") for n in range(50)])
        await world.wait_for_users({f"user-{n}": 1 for n in range(50)})
        await cut_next(client, "update", times=5)
        await world.emit([renamed(f"user-{n}", 2, "X") for n in range(50)])
        await world.wait_for_users({f"user-{n}": 2 for n in range(50)})
        _, metrics = await http_get(service, "/metrics")

    assert 'result="dead_lettered"' not in metrics
    assert 'result="parked"' not in metrics


async def test_it_starts_before_mongodb_does(mongod: OwnMongod, vhost_url: str) -> None:
    async with mongo_client(mongod.url) as client, World(vhost_url, client["cqrs"]) as world:
        await mongod.kill()
        async with running(settings_for(vhost_url, mongod.url, client["cqrs"])) as service:
            assert (await http_get(service, "/readyz"))[0] == 503
            await world.emit([created("alice")])
            await mongod.start()
            await world.wait_for_users({"alice": 1})


async def cut_next(client: AsyncMongoClient[Document], command: str, *, times: int) -> None:
    """MongoDB cuts the connection on which this command comes, and does nothing of it; so many times."""
    what = {"failCommands": [command], "closeConnection": True}
    await client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=what)


async def step_down(mongod: OwnMongod) -> None:
    async with mongo_client(mongod.direct_url) as direct:
        with suppress(PyMongoError):  # it may cut the connection that asked for it
            await direct.admin.command("replSetStepDown", 1, force=True)
