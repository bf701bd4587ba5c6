"""Parked aggregates of a real query service, listed and healed by the command line."""

import asyncio
import json

from services.query.mongo.collections import Database
from tests.integration.ops.conftest import System
from tests.integration.query.service_scene import World, running, settings_for
from tests.unit.query.given_events import created, renamed


async def test_an_aggregate_is_healed_once_the_log_has_what_was_missing(
    system: System, mongo_admin_url: str, database: Database
) -> None:
    settings = settings_for(system.admin_amqp_url, mongo_admin_url, database)
    async with World(system.admin_amqp_url, database) as world, running(settings):
        await world.emit([renamed("alice", 2, "Al")])
        async with asyncio.timeout(20):
            while await database["parked"].find_one({"_id": "users/alice"}) is None:
                await asyncio.sleep(0.02)

        code, out, err = await system.cqrs("parked", "list", "--model", "users", "--json")
        assert (code, err) == (0, "")
        assert [(each["name"], each["reason"]) for each in json.loads(out)["parked"]] == [("users/alice", "log_gap")]
        code, out, _ = await system.cqrs("parked", "show", "users/alice")
        assert (code, "log_gap" in out) == (0, True)

        world.log = [created("alice"), renamed("alice", 2, "Al")]
        code, out, err = await system.cqrs("parked", "heal", "users/alice", "--json")
        assert (code, err, json.loads(out)["healed"]) == (0, "", ["users/alice"])
        await world.wait_for_users({"alice": 2})
        code, out, err = await system.cqrs("parked", "show", "users/alice")
        assert (code, out, err) == (1, "", "error: users/alice is not parked\n")


async def test_what_stays_parked_says_why_and_ends_with_1(
    system: System, mongo_admin_url: str, database: Database
) -> None:
    settings = settings_for(system.admin_amqp_url, mongo_admin_url, database)
    async with World(system.admin_amqp_url, database) as world, running(settings):
        broken = created("alice")
        broken.envelope.data.pop("name")
        world.log = [broken]
        await world.emit([broken])
        async with asyncio.timeout(20):
            while await database["parked"].find_one({"_id": "users/alice"}) is None:
                await asyncio.sleep(0.02)

        code, out, _ = await system.cqrs("parked", "heal", "--model", "users", "--json")

        assert (code, json.loads(out)["healed"]) == (1, [])
        assert json.loads(out)["still_parked"][0]["reason"] == "invalid_event"


async def test_no_query_service_ends_with_3(system: System, database: Database) -> None:
    entry = {"_id": "users/bob", "model": "users", "aggregate_type": "user", "aggregate_id": "bob", "version": 1}
    about = {"reason": "log_gap", "detail": "…", "healing": False, "attempts": 1}
    await database["parked"].insert_one({**entry, **about, "since": None})

    code, out, err = await system.cqrs("parked", "heal", "--all", "--timeout", "0.5")

    assert (code, out) == (3, "")
    assert "the query service" in err
