"""A read model that stands still, fails, or has parked aggregates delays no other one."""

from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.query.bootstrap import READ_MODELS, Seams
from services.query.mongo.collections import Collections, Database
from services.query.settings import QuerySettings
from tests.integration.query.gate import Gate
from tests.integration.query.service_scene import World, running, settings_for
from tests.unit.query.given_events import command_id, created, event, renamed

USERS = 300
MODELS = [model.name for model in READ_MODELS]
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "users": ("GetUserById", {"user_id": f"u{USERS - 1}"}),
    "user_directory": ("SearchUsers", {"text": f"u{USERS - 1}"}),
    "user_history": ("GetUserHistory", {"user_id": f"u{USERS - 1}"}),
    "signup_stats": ("GetSignupStats", {}),
    "command_status": ("GetCommandStatus", {"command_id": str(command_id(f"u{USERS - 1}", 1))}),
}
FRESH = {"max-staleness-ms": 0, "max-wait-ms": 20_000}


@pytest.fixture
def settings(vhost_url: str, mongo_admin_url: str, database: Database) -> QuerySettings:
    # Few messages on their way at once: a model that took them all would show.
    return settings_for(vhost_url, mongo_admin_url, database, prefetch=20, batch_size=10)


async def everybody_signs_up(world: World) -> None:
    await world.emit([created(f"u{number}") for number in range(USERS)])


@pytest.mark.parametrize("failure", [None, AutoReconnect("its own server is away"), ZeroDivisionError()])
@pytest.mark.parametrize("held", MODELS)
async def test_one_that_stands_still_or_fails_delays_no_other(
    world: World, settings: QuerySettings, database: Database, held: str, failure: Exception | None
) -> None:
    gate = Gate(only=held)
    gate.failure = failure
    if failure is None:
        gate.open.clear()
    async with running(settings, Seams(projection=gate.put_before)):
        await everybody_signs_up(world)

        for model in set(MODELS) - {held}:
            query, body = QUESTIONS[model]
            answer = await world.ask(query, FRESH, **body)
            assert answer["status"] == "ok", model
            assert await Collections(database).live(model).count_documents({}) == USERS
        assert await Collections(database).live(held).count_documents({}) == 0

        gate.failure = None
        gate.open.set()
        query, body = QUESTIONS[held]
        assert (await world.ask(query, FRESH, **body))["status"] == "ok"


async def test_a_slow_one_delays_no_other(world: World, settings: QuerySettings, database: Database) -> None:
    gate = Gate(only="user_directory")
    gate.open.clear()
    gate.seconds_each = 0.1
    async with running(settings, Seams(projection=gate.put_before)):
        await everybody_signs_up(world)
        for model in set(MODELS) - {"user_directory"}:
            query, body = QUESTIONS[model]
            assert (await world.ask(query, FRESH, **body))["status"] == "ok"

        assert 0 < await Collections(database).live("user_directory").count_documents({}) < USERS
        gate.open.set()


async def test_parked_aggregates_delay_neither_others_of_the_model_nor_other_models(
    world: World, settings: QuerySettings, database: Database
) -> None:
    """What one model can't apply is no trouble for one that does not look at it."""
    async with running(settings):
        broken = [event("UserRenamed", f"u{number}", 2, new_name=7) for number in range(0, USERS, 2)]
        await everybody_signs_up(world)
        await world.emit([*broken, *(renamed(f"u{number}", 2, "Fine") for number in range(1, USERS, 2))])

        answer = await world.ask("GetUserById", FRESH, user_id=f"u{USERS - 1}")
        status = await world.ask("GetCommandStatus", FRESH, command_id=str(command_id("u0", 2)))

    assert answer["data"]["version"] == 2
    assert status["data"]["status"] == "accepted"
    assert await database["parked"].count_documents({"model": "users"}) == USERS // 2
