import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Collections
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.fold import Failure
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.parking import Parking
from services.query.projector.targets import OneTarget
from services.query.read_model import Document, FoldedModel
from services.query.read_models.users import USERS
from services.query.read_models.users.projection import project
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import at, created, deactivated, email_updated, event, reactivated, renamed

ALICE = [
    created("alice"),
    renamed("alice", 2, "Alice Liddell"),
    email_updated("alice", 3, "Al@Wonder.Land"),
    deactivated("alice", 4),
    reactivated("alice", 5),
]
ALICE_AT_5 = {
    "_id": "alice",
    "version": 5,
    "name": "Alice Liddell",
    "name_key": "alice liddell",
    "email": "Al@Wonder.Land",
    "email_key": "al@wonder.land",
    "status": "active",
    "created_at": at(1),
    "updated_at": at(5),
}


class Scene:
    """A projection of users on a database of its own, and what it told of progress."""

    def __init__(self, collections: Collections, log: Sequence[DomainEvent] = (), model: FoldedModel = USERS) -> None:
        self.collections = collections
        self.log = FakeEventLog(log)
        self.advanced: dict[str, int] = {}
        self.parking = Parking(collections.parked, model.name, model.aggregate_type)
        self.projection = self.another(model)

    def another(self, model: FoldedModel = USERS) -> FoldedProjection:
        source = self.collections.source(model.name)
        return FoldedProjection(model, OneTarget(source, self.parking), self.log, self.note)

    def note(self, versions: Mapping[str, int]) -> None:
        self.advanced.update(versions)

    async def users(self) -> dict[str, Document]:
        return {user["_id"]: user async for user in self.collections.live("users").find()}

    async def parked(self) -> dict[str, Document]:
        return {entry["_id"]: entry async for entry in self.collections.parked.find()}


@pytest.fixture
def scene(collections: Collections) -> Scene:
    return Scene(collections, ALICE)


async def test_new_users_are_written_as_folded(scene: Scene) -> None:
    tally = await scene.projection.apply([*ALICE, created("bob", name="Bob")])

    users = await scene.users()
    assert users["alice"] == ALICE_AT_5
    assert (users["bob"]["name"], users["bob"]["version"]) == ("Bob", 1)
    assert (tally.applied, tally.duplicate, tally.newest) == (6, 0, at(5))
    assert scene.advanced == {"alice": 5, "bob": 1}


async def test_users_who_are_there_go_on_from_where_they_stand(scene: Scene) -> None:
    await scene.projection.apply(ALICE[:2])
    await scene.projection.apply(ALICE[2:])

    assert await scene.users() == {"alice": ALICE_AT_5}


async def test_duplicates_change_nothing(scene: Scene) -> None:
    await scene.projection.apply(ALICE)

    tally = await scene.projection.apply([*ALICE, *ALICE[:2]])

    assert await scene.users() == {"alice": ALICE_AT_5}
    assert (tally.applied, tally.duplicate) == (0, 7)
    assert scene.log.asked == []


async def test_a_first_version_that_comes_again_beside_newer_ones_is_no_gap(scene: Scene) -> None:
    """What lies between stands in the document: the log, which may be away, is not asked."""
    await scene.projection.apply(ALICE[:3])

    tally = await scene.projection.apply([ALICE[0], *ALICE[3:]])

    assert await scene.users() == {"alice": ALICE_AT_5}
    assert (tally.applied, tally.duplicate) == (2, 1)
    assert scene.log.asked == []


async def test_a_first_version_that_comes_again_and_can_not_be_read_parks_nobody(scene: Scene) -> None:
    await scene.projection.apply(ALICE)

    await scene.projection.apply([event("UserCreated", "alice", 1, name=7)])

    assert await scene.users() == {"alice": ALICE_AT_5}
    assert await scene.parked() == {}


async def test_an_old_version_with_another_content_changes_nothing(scene: Scene) -> None:
    await scene.projection.apply(ALICE)

    await scene.projection.apply([renamed("alice", 3, "Mallory"), created("alice", name="Mallory")])

    assert await scene.users() == {"alice": ALICE_AT_5}


async def test_a_gap_heals_itself_from_the_log(scene: Scene) -> None:
    await scene.projection.apply(ALICE[:1])

    tally = await scene.projection.apply(ALICE[3:4])

    assert await scene.users() == {"alice": ALICE_AT_5}
    assert scene.log.asked == [{"alice": 1}]
    assert (tally.applied, tally.gap_healed) == (1, 3)
    assert scene.advanced == {"alice": 5}


async def test_the_gap_of_a_user_nobody_has_seen_heals_too(scene: Scene) -> None:
    await scene.projection.apply(ALICE[4:])

    assert await scene.users() == {"alice": ALICE_AT_5}
    assert scene.log.asked == [{"alice": 0}]


async def test_many_gaps_are_asked_for_at_once(collections: Collections) -> None:
    users = [f"user-{n}" for n in range(20)]
    scene = Scene(collections, [step for user in users for step in (created(user), renamed(user, 2, "X"))])

    await scene.projection.apply([renamed(user, 2, "X") for user in users])

    assert len(scene.log.asked) == 1
    assert {user: doc["version"] for user, doc in (await scene.users()).items()} == dict.fromkeys(users, 2)


async def test_random_orders_duplicates_and_losses_end_at_the_fold(collections: Collections) -> None:
    chance = random.Random(11)
    log = [step for n in range(30) for step in story(f"user-{n}")]
    scene = Scene(collections, log)
    stream = [event for event in log if chance.random() > 0.1] + chance.choices(log, k=60)
    chance.shuffle(stream)

    for start in range(0, len(stream), 17):
        await scene.projection.apply(stream[start : start + 17])
    await scene.projection.apply([story(f"user-{n}")[-1] for n in range(30)])

    users = await scene.users()
    assert len(users) == 30
    for name, user in users.items():
        assert user == {**ALICE_AT_5, "_id": name}
    assert await scene.parked() == {}


async def test_two_projectors_of_one_model_end_at_the_fold(collections: Collections) -> None:
    log = [step for n in range(40) for step in story(f"user-{n}")]
    scene = Scene(collections, log)

    async def run(projection: FoldedProjection, seed: int) -> None:
        chance = random.Random(seed)
        stream = sorted(log, key=lambda event: event.version + chance.random() * 3)
        for start in range(0, len(stream), 10):
            await projection.apply(stream[start : start + 10])

    await asyncio.gather(run(scene.projection, 1), run(scene.another(), 2), run(scene.another(), 3))

    assert {name: user["version"] for name, user in (await scene.users()).items()} == {
        f"user-{n}": 5 for n in range(40)
    }
    for name, user in (await scene.users()).items():
        assert user == {**ALICE_AT_5, "_id": name}
    assert await scene.parked() == {}


async def test_one_whose_event_breaks_its_contract_is_parked_and_others_go_on(collections: Collections) -> None:
    broken = event("UserRenamed", "alice", 3, old_name="x", new_name=2**64)
    scene = Scene(collections, [*ALICE[:2], broken, *ALICE[3:]])

    tally = await scene.projection.apply([*ALICE[:2], broken, ALICE[3], created("bob")])

    users, parked = await scene.users(), await scene.parked()
    assert (users["alice"]["version"], users["bob"]["version"]) == (2, 1)
    assert scene.advanced == {"alice": 2, "bob": 1}
    entry = parked["users/alice"]
    assert entry.pop("since") is not None
    assert entry == {
        "_id": "users/alice",
        "model": "users",
        "aggregate_type": "user",
        "aggregate_id": "alice",
        "version": 3,
        "reason": "invalid_event",
        "detail": "data.new_name: Input should be a valid string",
        "attempts": 1,
        "healing": False,
    }
    assert (tally.applied, tally.parked) == (3, 2)


async def test_later_events_of_one_who_is_parked_are_passed_over(collections: Collections) -> None:
    broken = event("UserRenamed", "alice", 2, new_name=1)
    scene = Scene(collections, [ALICE[0], broken, *ALICE[2:]])
    await scene.projection.apply([ALICE[0], broken])

    tally = await scene.projection.apply([ALICE[2], ALICE[3], created("bob")])

    assert scene.log.asked == []
    assert (tally.applied, tally.parked) == (1, 2)
    assert (await scene.users())["alice"]["version"] == 1


async def test_what_the_log_does_not_have_is_parked_as_a_log_gap(collections: Collections) -> None:
    scene = Scene(collections, [ALICE[0]])

    await scene.projection.apply([ALICE[0], ALICE[3]])

    parked = await scene.parked()
    assert (parked["users/alice"]["reason"], parked["users/alice"]["version"]) == ("log_gap", 2)


async def test_a_version_beyond_64_bits_is_parked(collections: Collections) -> None:
    scene = Scene(collections, ALICE[:1])

    await scene.projection.apply([ALICE[0], renamed("alice", 2**64, "x")])
    await scene.projection.apply([ALICE[1]])

    assert (await scene.parked())["users/alice"]["reason"] == "log_gap"
    assert (await scene.users())["alice"]["version"] == 2


async def test_a_document_too_large_is_parked_at_its_version_and_others_go_on(collections: Collections) -> None:
    huge = renamed("alice", 3, "A" * 17_000_000)
    scene = Scene(collections, [*ALICE[:2], huge])

    await scene.projection.apply([*ALICE[:2], huge, created("bob"), created("carol")])

    users, parked = await scene.users(), await scene.parked()
    assert {name: user["version"] for name, user in users.items()} == {"alice": 2, "bob": 1, "carol": 1}
    assert (parked["users/alice"]["version"], parked["users/alice"]["reason"]) == (3, "document_too_large")


async def test_an_integer_overflow_of_a_projection_is_parked(collections: Collections) -> None:
    def counting(document: Document | None, event: DomainEvent) -> Document:
        return {**project(document, event), "count": 2**61 * event.version}

    scene = Scene(collections, ALICE, model(counting))

    await scene.projection.apply([*ALICE, created("bob")])

    users, parked = await scene.users(), await scene.parked()
    assert {name: user["version"] for name, user in users.items()} == {"alice": 3, "bob": 1}
    assert (parked["users/alice"]["version"], parked["users/alice"]["reason"]) == (4, "integer_overflow")


async def test_a_log_that_is_away_is_no_reason_to_park(scene: Scene) -> None:
    scene.log.away = True

    with pytest.raises(EventLogUnavailableError):
        await scene.projection.apply([ALICE[4]])
    assert await scene.parked() == {}

    scene.log.away = False
    await scene.projection.apply([ALICE[4]])
    assert await scene.users() == {"alice": ALICE_AT_5}


async def test_after_the_fix_one_who_is_parked_is_healed_from_the_log(collections: Collections) -> None:
    def buggy(document: Document | None, event: DomainEvent) -> Document:
        if event.type == "UserEmailUpdated":
            raise ZeroDivisionError
        return project(document, event)

    scene = Scene(collections, ALICE, model(buggy))
    await scene.projection.apply(ALICE)
    entry = (await scene.parked())["users/alice"]
    assert (entry["reason"], entry["version"]) == ("projection_failed", 3)

    still = await scene.projection.heal("alice")
    assert still is not None
    assert (still.version, still.reason) == (3, "projection_failed")
    assert (await scene.parked())["users/alice"]["attempts"] == 2

    assert await scene.another(USERS).heal("alice") is None
    assert await scene.users() == {"alice": ALICE_AT_5}
    assert await scene.parked() == {}


async def test_events_that_arrive_while_one_is_healed_are_not_lost(collections: Collections) -> None:
    scene = Scene(collections, ALICE[:3])
    await scene.projection.apply(ALICE[:1])
    await scene.parking.park({"alice": Failure(2, "projection_failed", "")})
    reading = asyncio.Event()
    go_on = asyncio.Event()

    class SlowLog(FakeEventLog):
        async def read(self, aggregate_type: str, after: Mapping[str, int]) -> Any:
            async for page in super().read(aggregate_type, after):
                reading.set()
                await go_on.wait()
                yield page

    slow = FoldedProjection(USERS, OneTarget(collections.source("users"), scene.parking), SlowLog(ALICE[:3]))
    healing = asyncio.create_task(slow.heal("alice"))
    await reading.wait()
    scene.log.events = ALICE[:4]
    await scene.projection.apply([ALICE[3]])
    go_on.set()

    assert await healing is None
    await scene.projection.apply([ALICE[4]])
    assert await scene.users() == {"alice": ALICE_AT_5}
    assert await scene.parked() == {}


async def test_an_unknown_event_advances_the_version_and_nothing_else(scene: Scene) -> None:
    await scene.projection.apply([*ALICE, event("UserKnighted", "alice", 6, title="Dame")])

    assert await scene.users() == {"alice": {**ALICE_AT_5, "version": 6}}


async def test_a_tombstone_stays_one(collections: Collections) -> None:
    scene = Scene(collections)
    await collections.live("users").insert_one({"_id": "alice", "version": 5})

    await scene.projection.apply(ALICE)

    assert await scene.users() == {"alice": {"_id": "alice", "version": 5}}


def story(user: str) -> list[DomainEvent]:
    return [
        created(user),
        renamed(user, 2, "Alice Liddell"),
        email_updated(user, 3, "Al@Wonder.Land"),
        deactivated(user, 4),
        reactivated(user, 5),
    ]


def model(projection: Any) -> FoldedModel:
    return FoldedModel(name="users", aggregate_type="user", project=projection)
