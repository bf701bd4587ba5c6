from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from bson import Timestamp

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.change_feed import Missed
from services.query.live.follower import Beginning, Update
from services.query.read_model import Document
from services.query.read_models.users.follow_users import UsersFollower
from services.query.read_models.users.view import user_view
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.queries import GetAllUsers
from tests.unit.query.test_follow_user import at_version


class Scene:
    """A page with one document, which is whatever a test says; MongoDB's time goes on with each look at it."""

    def __init__(self, document: Document, collection: str = "users.g1") -> None:
        self.document = document
        self.collection = collection
        self.time = 0
        self.missed: list[Change] = []
        self.asked_since: list[tuple[Timestamp, str]] = []
        self.follower = UsersFollower(
            GetAllUsers(), self.ask, source=self.source, now=self.now, since=self.changes_since
        )

    async def ask(self, _demand: Demand) -> Answered | Failed:
        return Answered(data={"items": [user_view(self.document)], "next_cursor": None}, as_of=AsOf())

    def source(self) -> Any:
        return SimpleNamespace(name=self.collection)

    async def now(self) -> Timestamp:
        self.time += 1
        return Timestamp(self.time, 1)

    async def changes_since(self, moment: Timestamp, collection: str, _most: int) -> Missed:
        self.asked_since.append((moment, collection))
        return Missed(self.missed, Timestamp(self.time, 1))

    def change(self, document: Document, time: int | None = None) -> Change:
        moment = Timestamp(time if time is not None else self.time + 1, 1)
        return Change(self.collection, "alice", document, moment)

    async def begin(self, token: str | None = None) -> Beginning:
        beginning = await self.follower.begin(Demand(), token)
        assert isinstance(beginning, Beginning)
        return beginning


def told(updates: Sequence[Update]) -> list[tuple[int, str]]:
    changes: list[dict[str, Any]] = []
    for update in updates:
        assert isinstance(update.answer, Answered)
        changes += update.answer.data["changes"]
    return [(each["user"]["version"], each["user"]["name"]) for each in changes]


async def test_changes_from_before_the_page_are_no_news() -> None:
    scene = Scene(at_version(3))
    await scene.begin()

    assert told(await scene.follower.next([scene.change(at_version(2), 1), scene.change(at_version(3), 1)])) == []
    assert told(await scene.follower.next([scene.change(at_version(4))])) == [(4, "Al 4")]


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_what_a_repair_makes_of_a_shown_user_is_told(version: int) -> None:
    """A version that is taken back, and one that stays with another content."""
    scene = Scene(at_version(3, name="nobody knows why"))
    await scene.begin()

    updates = await scene.follower.next([scene.change(at_version(version))])

    assert told(updates) == [(version, at_version(version)["name"])]


async def test_a_token_goes_on_in_the_same_generation() -> None:
    [last] = (await Scene(at_version(3)).begin()).updates
    scene = Scene(at_version(3))

    assert (await scene.begin(last.resume_token)).resumed is True
    assert scene.asked_since == [(Timestamp(1, 2), "users.g1")]


async def test_a_token_of_another_generation_begins_anew() -> None:
    """What filled the new one are no changes."""
    [last] = (await Scene(at_version(3)).begin()).updates
    scene = Scene(at_version(3), "users.g2")

    beginning = await scene.begin(last.resume_token)

    assert (beginning.resumed, len(beginning.updates), scene.asked_since) == (False, 1, [])


async def test_what_was_missed_is_not_told_again_by_the_changes_that_came_meanwhile() -> None:
    [last] = (await Scene(at_version(1)).begin()).updates
    scene = Scene(at_version(1))
    scene.time = 10
    bob = Change("users.g1", "bob", at_version(2) | {"_id": "bob"}, Timestamp(5, 1))
    later = Change("users.g1", "bob", at_version(3) | {"_id": "bob"}, Timestamp(20, 1))
    scene.missed = [bob]

    beginning = await scene.begin(last.resume_token)
    updates = await scene.follower.next([bob, later])

    assert told(beginning.updates[1:]) == [(2, "Al 2")]
    assert told(updates) == [(3, "Al 3")]


async def test_a_token_in_the_middle_of_a_transaction_brings_the_rest_of_it() -> None:
    """Its changes have one moment."""
    names = ("bob", "carol", "dave")
    transaction = [Change("users.g1", name, at_version(1) | {"_id": name}, Timestamp(5, 1)) for name in names]
    first = Scene(at_version(1))
    await first.begin()
    [update] = await first.follower.next(transaction[:2])
    scene = Scene(at_version(1))
    scene.time, scene.missed = 10, transaction

    _, rest = (await scene.begin(update.resume_token)).updates

    assert isinstance(rest.answer, Answered)
    assert [change["user_id"] for change in rest.answer.data["changes"]] == ["dave"]
