"""Every query is answered from an index: what MongoDB itself says that it did for each of them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.query.freshness.demand import Demand
from services.query.mongo.collections import Collections, Database
from shared.contracts.queries import QUERIES
from tests.integration.query.query_scene import Scene, seen
from tests.unit.query.given_events import command_id, created, event, renamed

ASKED: dict[str, list[dict[str, Any]]] = {
    "GetUserById": [{"user_id": "u1"}],
    "GetUserByEmail": [{"email": "u1@example.com"}],
    "GetAllUsers": [
        {"limit": 5, "sort": sort, **status}
        for sort in ("created_at", "-created_at", "name", "-name")
        for status in ({}, {"status": "active"})
    ],
    "SearchUsers": [{"text": "ali", "limit": 5}, {"text": "ali lid", "limit": 5}, {"text": "ali lid exa com"}],
    "GetUserHistory": [{"user_id": "u1", "limit": 1}],
    "GetSignupStats": [{}, {"bucket": "month"}, {"from": "2026-11-22", "to": "2026-11-22"}],
    "GetCommandStatus": [{"command_id": str(command_id("u1", 1))}],
}
DEMANDS = {"any": Demand(), "token": seen("user/u1@1"), "fresh": Demand(max_staleness=3600.0)}
OF_LIVE_QUERIES = {"RenewSubscription", "CancelSubscription"}


@pytest.fixture
async def scene(collections: Collections) -> AsyncIterator[Scene]:
    scene = Scene(collections)
    names = [f"Alice Liddell {number}" for number in range(300)]
    await scene.project(*(created(f"u{number}", name=name) for number, name in enumerate(names)))
    await scene.project(*(renamed(f"u{number}", 2, "Alice Lidia") for number in range(0, 300, 3)))
    await scene.project(event("UserRenamed", "u2", 2, new_name=7))
    yield scene
    await scene.models.close()


def test_every_query_is_looked_at() -> None:
    assert set(ASKED) | OF_LIVE_QUERIES == set(QUERIES)


@pytest.mark.parametrize("query", ASKED)
@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
async def test_a_query_is_answered_from_an_index(scene: Scene, database: Database, query: str, demand: Demand) -> None:
    await scene.ask("GetAllUsers")  # the profiler's collection and the like are there from now on
    await database.command("profile", 2)
    for body in ASKED[query]:
        answer = await scene.ask(query, demand, **body)
        if answer.get("next_cursor"):
            await scene.ask(query, demand, **body, cursor=answer["next_cursor"])
    await database.command("profile", 0)

    operations = await database["system.profile"].find({"op": {"$in": ["query", "command", "getmore"]}}).to_list()
    plans = [(operation["ns"], operation["planSummary"]) for operation in operations if "planSummary" in operation]
    assert plans or query == "GetCommandStatus"
    assert [plan for plan in plans if "COLLSCAN" in plan[1]] == []
    assert [operation["ns"] for operation in operations if operation.get("hasSortStage")] == []
