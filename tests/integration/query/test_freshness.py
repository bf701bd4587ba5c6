"""How fresh an answer is, as a client learns it from the running service."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from yarl import URL

from services.query.bootstrap import Seams
from services.query.mongo.collections import Database
from services.query.settings import QuerySettings
from shared.messaging.management_api import ManagementApi
from tests.integration.query.gate import Gate
from tests.integration.query.service_scene import World, running
from tests.unit.query.given_events import created, event, renamed

QUERIES = {
    "GetUserById": {"user_id": "alice"},
    "GetUserByEmail": {"email": "alice@example.com"},
    "GetAllUsers": {},
    "SearchUsers": {"text": "alice"},
    "GetUserHistory": {"user_id": "alice"},
    "GetSignupStats": {},
    "GetCommandStatus": {"command_id": "00000000-0000-4000-8000-000000000000"},
}


@pytest.mark.parametrize("query", QUERIES)
async def test_every_answer_says_up_to_when_it_is_complete(world: World, settings: QuerySettings, query: str) -> None:
    async with running(settings):
        await world.emit([created("alice")])
        before = datetime.now(UTC)

        answer = await world.ask(query, {"max-staleness-ms": 0, "max-wait-ms": 1000}, **QUERIES[query])

        assert answer["status"] == "ok"
        assert before <= datetime.fromisoformat(answer["as_of"]["complete_until"]) <= datetime.now(UTC)


async def test_an_answer_that_may_not_be_behind_shows_all_that_was_published_before_the_question(
    world: World, settings: QuerySettings
) -> None:
    async with running(settings):
        for number in range(50):
            await world.emit([created(f"user-{number}")])

            answer = await world.ask(
                "GetUserById", {"max-staleness-ms": 0, "max-wait-ms": 5000}, user_id=f"user-{number}"
            )

            assert answer["status"] == "ok", number


async def test_a_read_model_that_stands_still_is_a_stale_read_until_it_goes_on(
    world: World, settings: QuerySettings
) -> None:
    gate = Gate()
    async with running(settings, Seams(projection=gate.put_before)):
        assert (await world.ask("GetAllUsers", {"max-staleness-ms": 0, "max-wait-ms": 5000}))["status"] == "ok"
        gate.open.clear()
        await world.emit([created("alice")])
        await asyncio.sleep(0.1)  # longer than what is asked for below

        stale = await world.ask("GetAllUsers", {"max-staleness-ms": 50, "max-wait-ms": 300})
        patient = await world.ask("GetAllUsers", {"max-staleness-ms": 60_000})
        careless = await world.ask("GetAllUsers")
        gate.open.set()
        fresh = await world.ask("GetAllUsers", {"max-staleness-ms": 0, "max-wait-ms": 10_000})

    assert (stale["error"]["code"], stale["error"]["retryable"]) == ("stale_read", True)
    assert patient["status"] == careless["status"] == "ok"
    assert patient["data"]["items"] == []
    assert [user["user_id"] for user in fresh["data"]["items"]] == ["alice"]
    assert datetime.fromisoformat(patient["as_of"]["complete_until"]) < datetime.fromisoformat(
        fresh["as_of"]["complete_until"]
    )


async def test_a_process_that_projects_nothing_knows_how_far_the_read_model_is(
    world: World, settings: QuerySettings
) -> None:
    """The broker gives a read model's queue to one process; questions go to each in turn."""
    gate = Gate()
    seams = Seams(projection=gate.put_before)
    async with running(settings, seams), running(settings, seams):
        for _ in range(6):
            answer = await world.ask("GetAllUsers", {"max-staleness-ms": 0, "max-wait-ms": 5000})
            assert answer["status"] == "ok"
        gate.open.clear()
        await asyncio.sleep(0.1)

        for _ in range(6):
            answer = await world.ask("GetAllUsers", {"max-staleness-ms": 50, "max-wait-ms": 100})
            assert answer["error"]["code"] == "stale_read"
        gate.open.set()


async def test_a_queue_that_is_gone_is_a_stale_read(
    world: World, settings: QuerySettings, rabbitmq_api_url: str
) -> None:
    async with running(settings), ManagementApi(rabbitmq_api_url) as api:
        assert (await world.ask("GetSignupStats", {"max-staleness-ms": 0, "max-wait-ms": 5000}))["status"] == "ok"
        await api.delete("queues", URL(world.url).path.removeprefix("/"), "projections.folded")
        await asyncio.sleep(0.1)  # longer than what is asked for below

        answer = await world.ask("GetSignupStats", {"max-staleness-ms": 50, "max-wait-ms": 300})

    assert answer["error"]["code"] == "stale_read"


async def test_an_aggregate_that_is_parked_is_behind_since_then(
    world: World, settings: QuerySettings, database: Database
) -> None:
    async with running(settings):
        broken = event("UserRenamed", "alice", 2, new_name=7)
        await world.emit([created("alice"), created("bob"), broken, renamed("bob", 2, "Bob")])
        await world.ask("GetUserById", {"max-staleness-ms": 0, "max-wait-ms": 5000}, user_id="bob")
        a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
        await database["parked"].update_many({}, {"$set": {"since": a_minute_ago}})
        demand = {"max-staleness-ms": 10_000, "max-wait-ms": 2000}

        alice = await world.ask("GetUserById", demand, user_id="alice")
        bob = await world.ask("GetUserById", demand, user_id="bob")
        everybody = await world.ask("GetAllUsers", demand)
        shown = await world.ask("GetUserById", user_id="alice")

    assert alice["error"]["code"] == everybody["error"]["code"] == "stale_read"
    assert bob["data"]["version"] == 2
    assert shown["data"]["version"] == 1
    assert datetime.fromisoformat(shown["as_of"]["complete_until"]) <= a_minute_ago


async def test_a_staleness_that_is_no_time_is_an_invalid_message(world: World, settings: QuerySettings) -> None:
    async with running(settings):
        answer = await world.ask("GetAllUsers", {"max-staleness-ms": "soon"})

    assert answer["error"]["code"] == "invalid_message"
    assert "max-staleness-ms" in answer["error"]["message"]
