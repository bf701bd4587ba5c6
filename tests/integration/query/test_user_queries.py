import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from services.query.freshness.demand import Demand
from services.query.mongo.collections import Collections
from services.query.projector.fold import Failure
from services.query.projector.parking import Parking
from services.query.projector.recorded_projection import Record
from services.query.read_models.users import USERS
from services.query.read_models.users.get_all_users import page_request
from services.query.read_models.users.page_cursor import decode
from shared.contracts.queries import GetAllUsers
from tests.integration.query.query_scene import Scene, moved, seen, stages_of
from tests.unit.query.given_events import NOON, at, created, deactivated, email_updated, renamed


@pytest.fixture
async def scene(collections: Collections) -> AsyncIterator[Scene]:
    scene = Scene(collections)
    yield scene
    await scene.models.close()


ALICE = {
    "user_id": "alice",
    "name": "Alice",
    "email": "Alice@Example.com",
    "status": "active",
    "created_at": at(1),
    "updated_at": at(1),
    "version": 1,
    "as_of": (1, at(1)),
}


async def test_a_user_is_found_by_id(scene: Scene) -> None:
    await scene.project(created("alice", email="Alice@Example.com"))

    assert await scene.ask("GetUserById", user_id="alice") == ALICE


async def test_a_user_is_found_by_email_whatever_its_case(scene: Scene) -> None:
    await scene.project(created("alice", email="Alice@Example.com"))

    assert await scene.ask("GetUserByEmail", email="aLICE@example.COM") == ALICE


async def test_nobody_is_not_found(scene: Scene) -> None:
    await scene.collections.live("users").insert_one({"_id": "erased", "version": 3})

    for answer in (
        await scene.ask("GetUserById", user_id="nobody"),
        await scene.ask("GetUserByEmail", email="nobody@example.com"),
        await scene.ask("GetUserById", user_id="erased"),
    ):
        assert answer == {"code": "user_not_found", "retryable": False, "why": "there is no such user"}


async def test_an_address_that_moved_belongs_to_who_took_it(scene: Scene) -> None:
    await scene.project(created("alice", email="shared@example.com"))
    await scene.project(created("bob"), email_updated("bob", 2, "Shared@example.com"))
    assert (await scene.ask("GetUserByEmail", email="shared@example.com"))["user_id"] == "bob"

    await scene.project(email_updated("alice", 2, "alice@example.com"))
    assert (await scene.ask("GetUserByEmail", email="shared@example.com"))["user_id"] == "bob"


async def test_questions_at_the_same_time_share_a_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.project(*[created(f"user-{n}") for n in range(200)])
    collection = scene.models.all[0].collection()
    reads: list[int] = []
    find = collection.find

    def counting(query: Any, *args: Any, **options: Any) -> Any:
        reads.append(len(query["_id"]["$in"]))
        return find(query, *args, **options)

    monkeypatch.setattr(collection, "find", counting)

    answers = await asyncio.gather(*[scene.ask("GetUserById", user_id=f"user-{n % 200}") for n in range(400)])

    assert [answer["user_id"] for answer in answers] == [f"user-{n % 200}" for n in range(400)]
    assert len(reads) <= 4


@pytest.fixture
async def crowd(scene: Scene) -> dict[str, Any]:
    """120 users; many share a name or the moment they were created in."""
    chance = random.Random(3)
    ids = [f"u{n:03}" for n in range(120)]
    chance.shuffle(ids)
    names = ["Zoë", "anna", "Anna", "BOB", "Ångström", "Émile"]
    await scene.project(
        *[moved(created(user, name=chance.choice(names)), number // 10) for number, user in enumerate(ids)],
        *[deactivated(user, 2) for user in ids[::3]],
    )
    await scene.collections.live("users").insert_one({"_id": "u-erased", "version": 4})
    return {user["_id"]: user async for user in scene.collections.live("users").find({"status": {"$exists": True}})}


@pytest.mark.parametrize("status", [None, "active", "deactivated"])
@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
@pytest.mark.parametrize("limit", [7, 500])
async def test_pages_hold_everyone_once_and_in_order(
    scene: Scene, crowd: dict[str, Any], sort: str, status: str | None, limit: int
) -> None:
    field = {"created_at": "created_at", "name": "name_key"}[sort.removeprefix("-")]
    expected = sorted(
        (user for user, document in crowd.items() if status in (None, document["status"])),
        key=lambda user: (crowd[user][field], user),
        reverse=sort.startswith("-"),
    )

    assert await scene.page_through(limit, sort=sort, **({"status": status} if status else {})) == expected


async def test_pages_hold_while_users_come_and_change(scene: Scene, crowd: dict[str, Any]) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for number in range(100):
        page = await scene.ask("GetAllUsers", limit=10, **cursor)
        found += [user["user_id"] for user in page["items"]]
        await scene.project(
            moved(created(f"new-{number}"), 0), renamed(found[-1], crowd[found[-1]]["version"] + 1, "L")
        )
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(found) == len(set(found))
    assert set(crowd) <= set(found)


async def test_the_last_page_ends_the_list(scene: Scene, crowd: dict[str, Any]) -> None:
    page = await scene.ask("GetAllUsers", limit=120)

    assert (len(page["items"]), page["next_cursor"]) == (120, None)
    assert page["as_of"] == (None, max(user["updated_at"] for user in crowd.values()))


async def test_nobody_at_all_is_an_empty_page(scene: Scene) -> None:
    assert await scene.ask("GetAllUsers") == {"items": [], "next_cursor": None, "as_of": (None, None)}


async def test_a_cursor_of_another_list_is_refused(scene: Scene, crowd: dict[str, Any]) -> None:
    cursor = (await scene.ask("GetAllUsers", limit=5))["next_cursor"]

    for body in ({"sort": "name"}, {"status": "active"}, {"sort": "-created_at"}):
        answer = await scene.ask("GetAllUsers", cursor=cursor, **body)
        assert (answer["code"], answer["retryable"]) == ("bad_cursor", False)
    assert (await scene.ask("GetAllUsers", cursor="e30"))["why"] == "the cursor is damaged"


@pytest.mark.parametrize("status", [None, "active"])
@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
async def test_every_page_comes_from_an_index(
    scene: Scene, crowd: dict[str, Any], database: AsyncDatabase[dict[str, Any]], sort: Any, status: Any
) -> None:
    body = {"sort": sort, "limit": 20} | ({"status": status} if status else {})
    first = await scene.ask("GetAllUsers", **body)
    cursor = decode(first["next_cursor"], sort=sort, status=status)

    for after in (None, cursor):
        request = page_request(GetAllUsers(sort=sort, status=status, limit=20), after)
        explained = await scene.collections.live("users").find(**request).explain()
        stages = stages_of(explained["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in stages
        assert not {"SORT", "COLLSCAN"} & stages
        assert explained["executionStats"]["totalDocsExamined"] <= 22
        assert explained["executionStats"]["totalKeysExamined"] <= 25


async def test_an_address_is_found_by_its_index(scene: Scene, crowd: dict[str, Any]) -> None:
    explained = await scene.collections.live("users").find({"email_key": "u001@example.com"}).explain()

    assert stages_of(explained["queryPlanner"]["winningPlan"]) == {"FETCH", "IXSCAN"}
    assert explained["executionStats"]["totalDocsExamined"] == 1


# Read your writes


async def test_what_is_fresh_enough_is_answered_at_once(scene: Scene) -> None:
    await scene.project(created("alice", email="Alice@Example.com"))

    for query, body in (("GetUserById", {"user_id": "alice"}), ("GetUserByEmail", {"email": "alice@example.com"})):
        assert await scene.ask(query, seen("user/alice@1", 0), **body) == ALICE
    assert (await scene.ask("GetAllUsers", seen("user/alice@1", 0)))["items"][0]["user_id"] == "alice"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("GetUserById", {"user_id": "alice"}),
        ("GetUserByEmail", {"email": "new@example.com"}),
        ("GetAllUsers", {}),
    ],
)
async def test_the_answer_waits_for_what_its_asker_wrote(scene: Scene, query: str, body: dict[str, Any]) -> None:
    await scene.project(created("alice"))
    asked = asyncio.create_task(scene.ask(query, seen("user/alice@2", 5), **body))
    await asyncio.sleep(0.1)
    assert not asked.done()

    await scene.project(email_updated("alice", 2, "new@example.com"))
    written = time.monotonic()
    answer = await asked

    assert time.monotonic() - written < 0.05
    user = answer["items"][0] if "items" in answer else answer
    assert (user["email"], user["version"]) == ("new@example.com", 2)


async def test_the_writes_of_another_replica_are_seen_too(scene: Scene, collections: Collections) -> None:
    other = Scene(collections)
    asked = asyncio.create_task(scene.ask("GetUserById", seen("user/alice@1", 5), user_id="alice"))
    await asyncio.sleep(0.05)
    await other.project(created("alice"))

    assert (await asyncio.wait_for(asked, 1))["version"] == 1


async def test_what_does_not_come_in_time_is_a_stale_read(scene: Scene) -> None:
    await scene.project(created("alice"), created("bob"))

    started = time.monotonic()
    answer = await scene.ask("GetUserById", seen("user/alice@2,user/bob@1", 0.1), user_id="alice")

    assert 0.1 <= time.monotonic() - started < 0.5
    assert answer == {
        "code": "stale_read",
        "retryable": True,
        "why": "the read model has not reached user/alice@2 yet",
    }


async def test_nobody_is_not_found_only_when_the_asker_could_know(scene: Scene) -> None:
    for query, body in (("GetUserById", {"user_id": "alice"}), ("GetUserByEmail", {"email": "alice@example.com"})):
        assert (await scene.ask(query, seen("user/alice@1", 0.02), **body))["code"] == "stale_read"

    await scene.project(created("bob"))
    assert (await scene.ask("GetUserById", seen("user/bob@1", 1), user_id="alice"))["code"] == "user_not_found"


async def test_tokens_of_other_kinds_of_aggregates_ask_nothing_of_users(scene: Scene) -> None:
    await scene.project(created("alice"))

    assert (await scene.ask("GetUserById", seen("product/tea@9", 0), user_id="alice"))["version"] == 1


async def test_one_who_is_parked_is_named_as_such(scene: Scene) -> None:
    parking = Parking(scene.collections.parked, USERS.name, USERS.aggregate_type)
    await parking.park({"alice": Failure(2, "projection_failed", "ValueError at projection.py:9")})

    answer = await scene.ask("GetUserById", seen("user/alice@2", 0.02), user_id="alice")

    assert answer["why"] == "the read model has not reached user/alice@2: user/alice is parked (projection_failed)"


# GetCommandStatus

COMMAND = "0192f0c1-2d3e-7a4b-8c5d-100000000003"


async def record(scene: Scene, **document: Any) -> None:
    await scene.models.all[1].projection.apply([Record([{"_id": COMMAND, "time": NOON, **document}], 0, None)])


async def test_an_accepted_command_is_told_with_its_version(scene: Scene) -> None:
    await record(scene, status="accepted", aggregate_id="alice", version=3)

    assert await scene.ask("GetCommandStatus", command_id=COMMAND.upper()) == {
        "command_id": COMMAND,
        "status": "accepted",
        "aggregate_id": "alice",
        "version": 3,
        "as_of": (3, NOON),
    }


async def test_a_rejected_command_is_told_with_its_code(scene: Scene) -> None:
    await record(scene, status="rejected", code="email_taken")

    assert await scene.ask("GetCommandStatus", command_id=COMMAND) == {
        "command_id": COMMAND,
        "status": "rejected",
        "code": "email_taken",
        "as_of": (None, NOON),
    }


async def test_a_command_nobody_has_seen_is_unknown(scene: Scene) -> None:
    unknown = {"command_id": COMMAND, "status": "unknown", "as_of": (None, None)}

    assert await scene.ask("GetCommandStatus", command_id=COMMAND) == unknown
    assert await scene.ask("GetCommandStatus", Demand(max_wait=0.02, waits=True), command_id=COMMAND) == unknown


async def test_who_wants_to_wait_hears_of_his_command_as_soon_as_it_is_known(scene: Scene) -> None:
    asked = asyncio.create_task(scene.ask("GetCommandStatus", Demand(max_wait=5, waits=True), command_id=COMMAND))
    await asyncio.sleep(0.05)
    await record(scene, status="rejected", code="email_taken")

    assert (await asyncio.wait_for(asked, 0.5))["status"] == "rejected"


async def test_with_a_token_a_command_that_is_not_known_in_time_is_a_stale_read(scene: Scene) -> None:
    answer = await scene.ask("GetCommandStatus", seen("user/alice@3", 0.02), command_id=COMMAND)

    assert (answer["code"], answer["retryable"]) == ("stale_read", True)
