from collections.abc import Sequence

import pytest
from bson import Timestamp

from services.query.domain_event import DomainEvent
from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.follower import Beginning, Update
from services.query.mongo.collections import Collection
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.fold import fold
from services.query.read_model import Document
from services.query.read_models.users import USERS
from services.query.read_models.users.follow_user import UserFollower
from services.query.read_models.users.view import user_answer
from services.query.sealed_cursor import unseal
from shared.contracts.answer import Answered, AnswerError, ErrorCode, Failed
from shared.contracts.queries import GetUserById
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import created, renamed

STALE = Failed(error=AnswerError(code=ErrorCode.STALE_READ, message="not there yet", retryable=True))
EVENTS = [created("alice"), *(renamed("alice", version, f"Al {version}") for version in range(2, 10))]


def at_version(version: int, name: str | None = None) -> Document:
    """Alice's document after so many of `EVENTS`, or damaged so that it has another name."""
    document = fold(USERS, None, EVENTS[:version]).document
    assert document is not None
    return document if name is None else document | {"name": name}


def change(document: Document | None) -> Change:
    return Change("users.g1", "alice", document, Timestamp(1, 1), deleted=document is None)


class Scene:
    """A read model of one document, which is whatever a test says, and its log."""

    def __init__(self, document: Document | None, events: Sequence[DomainEvent]) -> None:
        self.document = document
        self.log = FakeEventLog(events)
        self.follower = UserFollower(
            GetUserById(user_id="alice"), self.ask, model=USERS, source=self.source, load=self.load, log=self.log
        )

    async def ask(self, demand: Demand) -> Answered | Failed:
        version = 0 if self.document is None else self.document["version"]
        return STALE if any(token.version > version for token in demand.tokens) else user_answer(self.document)

    async def load(self, _key: str) -> Document | None:
        return self.document

    @staticmethod
    def source() -> Collection:
        raise AssertionError("nobody asks for the collection here")

    async def begin(self, token: str | None = None) -> Beginning:
        beginning = await self.follower.begin(Demand(), token)
        assert isinstance(beginning, Beginning)
        return beginning

    async def write(self, *documents: Document | None) -> list[int]:
        """The versions that are told of these changes."""
        self.document = documents[-1]
        return told(await self.follower.next([change(document) for document in documents]))


def told(updates: Sequence[Update]) -> list[int]:
    """0: that there is no such user."""
    return [0 if isinstance(each.answer, Failed) else each.answer.as_of.version or 0 for each in updates]


def place(update: Update) -> object:
    return unseal(update.resume_token, 4)[-1]


async def test_changes_from_before_the_answer_are_no_news() -> None:
    scene = Scene(at_version(3), EVENTS[:3])
    await scene.begin()

    assert told(await scene.follower.next([change(at_version(version)) for version in (1, 2, 3)])) == []
    assert scene.log.asked == [], "what the document shows needs no log"
    assert await scene.write(at_version(4)) == [4]


async def test_versions_in_between_come_from_the_log() -> None:
    scene = Scene(at_version(1), EVENTS)
    await scene.begin()

    assert await scene.write(at_version(2), at_version(6)) == [2, 3, 4, 5, 6]


async def test_while_the_log_is_away_nothing_is_told_and_nothing_lost() -> None:
    scene = Scene(at_version(1), EVENTS)
    await scene.begin()
    scene.log.away = True
    with pytest.raises(EventLogUnavailableError):
        await scene.write(at_version(2), at_version(4))
    scene.log.away = False

    assert await scene.write(at_version(2), at_version(4)) == [2, 3, 4]


async def test_a_version_that_a_repair_takes_back_is_followed_by_the_true_one() -> None:
    scene = Scene(at_version(9), EVENTS[:5])
    await scene.begin()

    assert await scene.write(at_version(5)) == [5]
    scene.log.events = EVENTS[:7]
    assert await scene.write(at_version(7)) == [6, 7]


async def test_a_document_that_a_repair_takes_back_is_not_there() -> None:
    scene = Scene(at_version(9), [])
    await scene.begin()

    assert await scene.write(None) == [0]


async def test_a_document_that_a_repair_puts_right_at_its_version_is_told() -> None:
    scene = Scene(at_version(5, name="nobody knows why"), EVENTS[:5])
    await scene.begin()

    [update] = await scene.follower.next([change(at_version(5))])

    assert isinstance(update.answer, Answered)
    assert (update.answer.data["name"], update.answer.as_of.version) == ("Al 5", 5)


@pytest.mark.parametrize(("left", "told_again"), [(5, [5]), (0, [0])])
async def test_who_looks_anew_is_told_what_was_taken_back_meanwhile(left: int, told_again: list[int]) -> None:
    scene = Scene(at_version(9), EVENTS[:left])
    await scene.begin()
    scene.document = at_version(left) if left else None

    assert told(await scene.follower.again()) == told_again


async def test_who_looks_anew_and_sees_less_than_the_log_has_is_told_nothing() -> None:
    """A new primary may not know yet what the last one has shown."""
    scene = Scene(at_version(9), EVENTS)
    await scene.begin()
    scene.document = at_version(8)

    assert told(await scene.follower.again()) == []
    assert await scene.write(at_version(9)) == []


async def test_the_token_of_a_version_that_was_taken_back_begins_anew() -> None:
    damaged = Scene(at_version(9), EVENTS[:9])
    [last] = (await damaged.begin()).updates
    mended = Scene(at_version(5), EVENTS[:5])

    beginning = await mended.begin(last.resume_token)

    assert (place(last), [place(each) for each in beginning.updates]) == (9, [5])
    assert (told(beginning.updates), beginning.resumed) == ([5], False)


async def test_a_token_of_what_is_not_projected_yet_is_waited_for() -> None:
    [last] = (await Scene(at_version(9), EVENTS).begin()).updates

    assert await Scene(at_version(5), EVENTS).follower.begin(Demand(), last.resume_token) == STALE
