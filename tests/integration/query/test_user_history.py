import asyncio
from collections.abc import AsyncIterator

import pytest

from services.query.mongo.collections import Collections
from services.query.read_models.user_history.get_user_history import page_request
from shared.contracts.queries import GetUserHistory
from tests.integration.query.query_scene import Scene, seen, stages_of
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import at, command_id, created, deactivated, event, renamed

STORY = [created("alice", name="Al"), *[renamed("alice", n, f"Al {n}") for n in range(2, 12)]]


@pytest.fixture
async def scene(collections: Collections) -> AsyncIterator[Scene]:
    scene = Scene(collections)
    yield scene
    await scene.models.close()


async def versions(scene: Scene, user_id: str = "alice", limit: int = 500) -> list[int]:
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await scene.ask("GetUserHistory", user_id=user_id, limit=limit, **cursor)
        found += [entry["version"] for entry in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_a_history_tells_what_happened_newest_first(scene: Scene) -> None:
    await scene.project(created("alice"), event("UserDeactivated", "alice", 2, reason="left"), created("bob"))

    answer = await scene.ask("GetUserHistory", user_id="alice")

    assert answer["as_of"] == (2, at(2))
    assert answer["next_cursor"] is None
    assert [entry["type"] for entry in answer["items"]] == ["UserDeactivated", "UserCreated"]
    assert answer["items"][0] == {
        "version": 2,
        "event_id": "00000000-0000-4000-8000-000000000002",
        "type": "UserDeactivated",
        "time": at(2),
        "actor": "client",
        "causation_id": str(command_id("alice", 2)),
        "correlation_id": None,
        "changes": [
            {"field": "status", "from": "active", "to": "deactivated"},
            {"field": "reason", "from": None, "to": "left"},
        ],
    }


async def test_an_entry_whose_process_died_before_it_moved_the_version_is_not_shown_and_not_doubled(
    scene: Scene, collections: Collections
) -> None:
    await scene.project(*STORY[:2])
    documents = collections.live("user_history")
    before = await documents.find_one({"_id": "alice"})
    assert before is not None
    await scene.project(STORY[2])
    await documents.replace_one({"_id": "alice"}, before)
    assert await versions(scene) == [2, 1]

    await scene.project(STORY[2])

    assert await versions(scene) == [3, 2, 1]
    assert await collections.details("user_history")().count_documents({}) == 3


async def test_who_has_no_history_is_not_found(scene: Scene) -> None:
    assert (await scene.ask("GetUserHistory", user_id="nobody"))["code"] == "user_not_found"


@pytest.mark.parametrize("limit", [1, 4, 11, 500])
async def test_pages_hold_every_version_once(scene: Scene, limit: int) -> None:
    await scene.project(*STORY)

    assert await versions(scene, limit=limit) == list(range(11, 0, -1))


async def test_what_happens_meanwhile_shifts_no_page(scene: Scene) -> None:
    await scene.project(*STORY)
    first = await scene.ask("GetUserHistory", user_id="alice", limit=5)
    await scene.project(renamed("alice", 12, "New"), created("alice2"))

    second = await scene.ask("GetUserHistory", user_id="alice", limit=50, cursor=first["next_cursor"])

    assert [entry["version"] for entry in second["items"]] == [6, 5, 4, 3, 2, 1]
    assert second["as_of"] == (12, at(12))


async def test_a_cursor_of_another_user_is_refused(scene: Scene) -> None:
    await scene.project(*STORY, created("bob"))
    cursor = (await scene.ask("GetUserHistory", user_id="alice", limit=5))["next_cursor"]

    assert (await scene.ask("GetUserHistory", user_id="bob", cursor=cursor))["code"] == "bad_cursor"


async def test_duplicates_and_disorder_leave_one_entry_for_each_event(scene: Scene) -> None:
    await scene.project(*STORY[:3], *STORY[:2])
    await scene.project(*reversed(STORY), *STORY)

    assert await versions(scene) == list(range(11, 0, -1))
    assert await scene.models.all[3].collection()["details"].count_documents({}) == 11


async def test_what_was_never_delivered_comes_from_the_log(collections: Collections) -> None:
    scene = Scene(collections, FakeEventLog(STORY))
    await scene.project(STORY[0], STORY[-1])

    assert await versions(scene) == list(range(11, 0, -1))
    await scene.models.close()


async def test_an_entry_whose_document_is_lost_does_not_stop_the_others(scene: Scene) -> None:
    await scene.project(*STORY)
    await scene.collections.live("user_history").delete_one({"_id": "alice"})

    await scene.project(*STORY, created("bob"))

    assert (await versions(scene), await versions(scene, "bob")) == (list(range(11, 0, -1)), [1])


async def test_a_history_comes_from_the_index_on_its_key(scene: Scene) -> None:
    await scene.project(*[step for n in range(30) for step in (created(f"u{n}"), deactivated(f"u{n}", 2))], *STORY)
    entries = scene.collections.details("user_history")()

    for before, count in ((2**63 - 1, 6), (7, 6)):
        request = page_request(GetUserHistory(user_id="alice", limit=5), before)
        explained = await entries.find(**request).explain()
        assert not {"SORT", "COLLSCAN"} & stages_of(explained["queryPlanner"]["winningPlan"])
        assert explained["executionStats"]["totalKeysExamined"] <= count + 1


async def test_a_history_waits_for_what_its_asker_wrote(scene: Scene) -> None:
    asked = asyncio.create_task(scene.ask("GetUserHistory", seen("user/alice@11", 5), user_id="alice"))
    await asyncio.sleep(0.05)
    await scene.project(*STORY)

    assert (await asked)["items"][0]["version"] == 11
    assert (await scene.ask("GetUserHistory", seen("user/alice@12", 0.02), user_id="alice"))["code"] == "stale_read"
