"""The feed of all folded read models: what one that it goes on without must not lose."""

import asyncio
import gc
import time
from collections.abc import Mapping

import pytest
from pymongo.errors import AutoReconnect

from services.query.bootstrap import Seams
from services.query.mongo.collections import Collections, Database
from services.query.settings import QuerySettings
from shared.messaging.envelope import Delivery
from tests.integration.query.gate import Gate
from tests.integration.query.service_scene import World, http_get, running, settings_for
from tests.unit.query.given_events import created, event, renamed

SIGNED_UP = {f"u{number}": 1 for number in range(60)}


@pytest.fixture
def settings(vhost_url: str, mongo_admin_url: str, database: Database) -> QuerySettings:
    return settings_for(vhost_url, mongo_admin_url, database, prefetch=20, batch_size=10, catalogue_lease_seconds=0.5)


async def behind(database: Database, model: str = "users") -> dict[str, int]:
    found = await database["read_models"].find_one({"_id": model})
    return dict((found or {}).get("behind", {}))


async def until_behind(database: Database, *, is_so: bool) -> None:
    async with asyncio.timeout(40):
        while bool(await behind(database)) is not is_so:
            await asyncio.sleep(0.05)


async def all_elsewhere(world: World, database: Database, users: Mapping[str, int] = SIGNED_UP) -> None:
    """Returns when another model has everything (of `SIGNED_UP`, more than there is room for in the feed)."""
    async with asyncio.timeout(40):
        while await Collections(database).live("user_directory").count_documents({}) < len(users):
            await asyncio.sleep(0.05)


def failing() -> Seams:
    gate = Gate(only="users")
    gate.failure = AutoReconnect("its own server is away")
    return Seams(projection=gate.put_before)


async def test_what_one_has_missed_is_caught_up_with_after_a_restart_though_nothing_happens_any_more(
    world: World, settings: QuerySettings, database: Database
) -> None:
    async with running(settings, failing()):
        await world.emit([created(user) for user in SIGNED_UP])
        await all_elsewhere(world, database)
        await until_behind(database, is_so=True)
    assert await world.users() == {}

    async with running(settings):
        await world.wait_for_users(SIGNED_UP)
        await until_behind(database, is_so=False)


async def test_what_one_has_missed_is_caught_up_with_by_the_process_that_takes_over(
    world: World, settings: QuerySettings, database: Database
) -> None:
    async with running(settings, failing()):
        await world.emit([created("first")])
        await asyncio.sleep(0.5)
        successor = running(settings)
        await successor.__aenter__()
        await world.emit([created(user) for user in SIGNED_UP])
        await all_elsewhere(world, database)
        assert await world.users() == {}
    try:
        await world.wait_for_users({"first": 1, **SIGNED_UP})
        await until_behind(database, is_so=False)
    finally:
        await successor.__aexit__(None, None, None)


async def test_an_event_from_before_the_mark_moves_it(
    world: World, settings: QuerySettings, database: Database
) -> None:
    """Positions are not the order of arrival: what arrives later may come from before."""
    async with running(settings):
        await world.emit([created("bob"), renamed("bob", 2, "B"), renamed("bob", 3, "Bo")])
        await world.wait_for_users({"bob": 3})
        await database["read_models"].update_one({"_id": "users"}, {"$set": {"paused": True}}, upsert=True)
        await asyncio.sleep(1.0)
        await world.emit([renamed("bob", 4, "Bob")])
        await until_behind(database, is_so=True)
        assert list((await behind(database)).values()) == [1003]
        await world.emit([created("alice")])
        seen = {"consistency-token": "user/alice@1", "max-wait-ms": 5000}
        assert (await world.ask("GetUserHistory", seen, user_id="alice"))["status"] == "ok"
        await asyncio.sleep(0.5)
        assert list((await behind(database)).values()) == [1000]

    await database["read_models"].update_one({"_id": "users"}, {"$set": {"paused": False}})
    async with running(settings):
        await world.wait_for_users({"bob": 4, "alice": 1})


async def test_what_another_process_has_left_out_is_found_and_caught_up_with_while_at_work(
    world: World, settings: QuerySettings, database: Database
) -> None:
    """One that was stopped for long may say so only when its successor has long been at work."""
    async with running(settings):
        await world.emit([created("alice"), created("bob")])
        await world.wait_for_users({"alice": 1, "bob": 1})
        await Collections(database).live("users").delete_one({"_id": "alice"})
        await database["read_models"].update_one({"_id": "users"}, {"$set": {"behind.late": 1000}}, upsert=True)

        await world.wait_for_users({"alice": 1, "bob": 1})
        await until_behind(database, is_so=False)
        fresh = await world.ask("GetAllUsers", {"max-staleness-ms": 0, "max-wait-ms": 5000})
        assert len(fresh["data"]["items"]) == 2


async def test_an_event_is_read_once_and_a_foreign_one_is_a_dead_letter(world: World, settings: QuerySettings) -> None:
    foreign = event("UserCreated", "cart-1", 1)
    foreign = type(foreign)(foreign.envelope.model_copy(update={"aggregatetype": "cart"}), None)
    async with running(settings) as service:
        await world.emit([created("alice"), foreign])
        await world.wait_for_users({"alice": 1})
        async with asyncio.timeout(5):
            metrics = ""
            while 'projection_events_total{read_model="folded",result="dead_lettered"} 1.0' not in metrics:
                metrics = (await http_get(service, "/metrics"))[1]
        assert 'messaging_consumed_total{queue="projections.folded"} 2.0' in metrics


async def test_a_model_that_catches_up_says_so_and_is_no_trouble(
    world: World, settings: QuerySettings, database: Database
) -> None:
    gate = Gate(only="users")
    gate.open.clear()
    async with running(settings, Seams(projection=gate.put_before)) as service:
        await world.emit([created(user) for user in SIGNED_UP])
        await all_elsewhere(world, database)
        status, report = await http_get(service, "/readyz")
        assert (status, '"projection users": "catching up from the log"' in report.replace('":"', '": "')) == (
            200,
            True,
        )
        gate.open.set()
        await world.wait_for_users(SIGNED_UP)


async def test_a_message_takes_no_memory_any_more_while_its_event_waits(
    world: World, settings: QuerySettings, database: Database
) -> None:
    """It would be as much again as the event does, for all that a read model has in hand."""
    gate = Gate(only="users")
    gate.open.clear()
    began = time.monotonic()
    async with running(settings, Seams(projection=gate.put_before)):
        users = {f"u{number}": 1 for number in range(10)}
        await world.emit([created(user) for user in users])
        await all_elsewhere(world, database, users)
        gc.collect()
        arrived = [each for each in gc.get_objects() if isinstance(each, Delivery) and each.received_at > began]
        assert [each for each in arrived if each.type == "UserCreated"] == []
        gate.open.set()
        await world.wait_for_users(users)
