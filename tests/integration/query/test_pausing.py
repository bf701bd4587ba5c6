"""A read model that an operator has paused, in a real service with a real broker."""

import asyncio
import json
from typing import Any

import pytest

from services.query.mongo.collections import Database
from services.query.service import QueryService
from services.query.settings import QuerySettings
from shared.messaging.envelope import Envelope
from tests.integration.query.service_scene import World, http_get, running, settings_for
from tests.unit.query.given_events import created, renamed


@pytest.fixture
def settings(vhost_url: str, mongo_admin_url: str, database: Database) -> QuerySettings:
    return settings_for(
        vhost_url, mongo_admin_url, database, catalogue_lease_seconds=0.5, event_log_timeout_seconds=2.0
    )


async def tell(world: World, control: str, **body: Any) -> dict[str, Any]:
    request = Envelope(
        exchange="projection-control", routing_key="projection-control", type=control, body=json.dumps(body).encode()
    )
    answer: dict[str, Any] = json.loads((await world.rpc.call(request, timeout=10)).body)
    return answer


async def notes(service: QueryService) -> tuple[int, dict[str, str]]:
    status, report = await http_get(service, "/readyz")
    return status, json.loads(report)["notes"]


async def test_a_paused_model_rests_in_all_processes_and_goes_on_where_it_was(
    world: World, settings: QuerySettings
) -> None:
    seen = {"consistency-token": "user/alice@2", "max-wait-ms": 5000}
    hurried = seen | {"max-wait-ms": 100}
    async with running(settings) as one, running(settings) as other:
        await world.emit([created("alice")])
        await world.wait_for_users({"alice": 1})
        assert (await tell(world, "PauseProjection", model="users"))["data"] == {"model": "users", "paused": True}
        await asyncio.sleep(1.0)

        await world.emit([renamed("alice", 2, "Al")])
        history = await world.ask("GetUserHistory", seen, user_id="alice")
        stale = await world.ask("GetUserById", hurried, user_id="alice")
        behind = await world.ask("GetUserById", {"max-staleness-ms": 0, "max-wait-ms": 100}, user_id="alice")
        old = await world.ask("GetUserById", user_id="alice")

        assert len(history["data"]["items"]) == 2, "the others go on"
        assert stale["error"]["code"] == "stale_read"
        assert "it is paused" in stale["error"]["message"]
        assert (behind["error"]["code"], "is paused" in behind["error"]["message"]) == ("stale_read", True)
        assert old["data"]["version"] == 1
        assert await notes(one) == await notes(other) == (200, {"projection users": "paused"})

        await tell(world, "ResumeProjection", model="users")
        fresh = await world.ask("GetUserById", seen, user_id="alice")
        assert fresh["data"]["name"] == "Al"
        complete = await world.ask("GetUserById", {"max-staleness-ms": 0, "max-wait-ms": 5000}, user_id="alice")
        assert complete["status"] == "ok"
        assert (await notes(one))[1] == {}


async def test_a_model_stays_paused_when_services_are_started_again(world: World, settings: QuerySettings) -> None:
    async with running(settings):
        await tell(world, "PauseProjection", model="users")
    async with running(settings) as service:
        await world.emit([created("alice")])
        await asyncio.sleep(0.5)
        assert (await world.users(), (await notes(service))[1]) == ({}, {"projection users": "paused"})
        await tell(world, "ResumeProjection", model="users")
        await world.wait_for_users({"alice": 1})


async def test_a_paused_model_is_listed_with_how_far_it_is_behind(world: World, settings: QuerySettings) -> None:
    async with running(settings):
        await world.emit([created("alice")])
        await world.wait_for_users({"alice": 1})
        await tell(world, "PauseProjection", model="users")
        await asyncio.sleep(1.0)
        await world.emit([renamed("alice", 2, "Al"), renamed("alice", 3, "Ali")])
        await world.ask("GetUserHistory", {"consistency-token": "user/alice@3"}, user_id="alice")
        await asyncio.sleep(0.5)
        listed = (await tell(world, "ListProjections"))["data"]["projections"]

    behind = {each["model"]: (each["paused"], each["position"], each["lag_events"]) for each in listed}
    assert behind["users"] == (True, 1001, 2)
    assert behind["user_history"] == (False, 1003, 0)


async def test_read_models_are_listed_with_what_is_known_of_them(world: World, settings: QuerySettings) -> None:
    async with running(settings):
        await world.emit([created("alice")])
        await world.wait_for_users({"alice": 1})
        await asyncio.sleep(0.5)
        listed = (await tell(world, "ListProjections"))["data"]

    users = next(each for each in listed["projections"] if each["model"] == "users")
    assert (users["generation"], users["generations"], users["paused"], users["parked"]) == (1, [1], False, 0)
    assert (users["position"], users["job"]) == (1001, None)
    assert (listed["head"], users["lag_events"]) == (1001, 0)
    assert {each["model"]: each["rebuildable"] for each in listed["projections"]}["command_status"] is False
