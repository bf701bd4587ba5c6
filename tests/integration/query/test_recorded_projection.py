from collections.abc import Mapping
from uuid import UUID

import pytest

from services.query.mongo.collections import Collections
from services.query.projector.incoming import UnreadableMessageError
from services.query.projector.recorded_projection import RecordedProjection
from services.query.read_model import Document
from services.query.read_models.command_status import COMMAND_STATUS
from shared.contracts.outcome import Accepted, Rejected, RejectionError
from shared.messaging.envelope import Delivery
from tests.unit.query.given_events import NOON, at, command_id, created, delivery, envelope

COMMAND = command_id("alice", 1)
REJECTED = Rejected(command_id=COMMAND, error=RejectionError(code="email_taken", message="…"))
EXPIRED = Rejected(command_id=COMMAND, error=RejectionError(code="expired", message="…"))
ACCEPTED = {"_id": str(COMMAND), "status": "accepted", "aggregate_id": "alice", "version": 1, "time": at(1)}


class Scene:
    def __init__(self, collections: Collections) -> None:
        self.collections = collections
        self.recorded: dict[str, int] = {}
        self.projection = RecordedProjection(COMMAND_STATUS, collections.source("command_status"), self.note)

    def note(self, versions: Mapping[str, int]) -> None:
        self.recorded.update(versions)

    async def apply(self, *deliveries: Delivery) -> tuple[int, int, int]:
        tally = await self.projection.apply([self.projection.read(delivery) for delivery in deliveries])
        return tally.applied, tally.duplicate, tally.ignored

    async def statuses(self) -> list[Document]:
        return await self.collections.live("command_status").find().sort("_id").to_list()


@pytest.fixture
def scene(collections: Collections) -> Scene:
    return Scene(collections)


def outcome(content: Accepted | Rejected) -> Delivery:
    return delivery(content.model_dump_json().encode(), type="CommandOutcome", timestamp=NOON)


async def test_an_event_makes_its_command_accepted(scene: Scene) -> None:
    assert await scene.apply(delivery(created("alice"))) == (1, 0, 0)

    assert await scene.statuses() == [ACCEPTED]
    assert scene.recorded == {str(COMMAND): 1}


async def test_a_rejection_is_kept_with_its_code(scene: Scene) -> None:
    await scene.apply(outcome(REJECTED))

    assert await scene.statuses() == [{"_id": str(COMMAND), "status": "rejected", "code": "email_taken", "time": NOON}]


async def test_the_first_outcome_stays(scene: Scene) -> None:
    await scene.apply(outcome(EXPIRED))

    assert await scene.apply(outcome(REJECTED), outcome(EXPIRED)) == (0, 2, 0)

    assert [status["code"] for status in await scene.statuses()] == ["expired"]


async def test_an_acceptance_takes_the_place_of_a_rejection(scene: Scene) -> None:
    await scene.apply(outcome(REJECTED))

    assert await scene.apply(delivery(created("alice"))) == (1, 0, 0)

    assert await scene.statuses() == [ACCEPTED]


async def test_a_rejection_never_takes_the_place_of_an_acceptance(scene: Scene) -> None:
    await scene.apply(delivery(created("alice")), outcome(REJECTED))
    await scene.apply(outcome(REJECTED))

    assert await scene.statuses() == [ACCEPTED]


async def test_a_command_with_several_events_is_accepted_at_the_last(scene: Scene) -> None:
    cause = {"causationid": COMMAND}
    events = [envelope("UserRenamed", "alice", n, new_name="x").model_copy(update=cause) for n in (3, 5, 4)]

    await scene.apply(*[delivery(event) for event in events])
    await scene.apply(delivery(events[0]))

    assert [status["version"] for status in await scene.statuses()] == [5]


async def test_duplicates_change_nothing(scene: Scene) -> None:
    await scene.apply(delivery(created("alice")))

    assert await scene.apply(delivery(created("alice")), delivery(created("alice"))) == (0, 2, 0)

    assert await scene.statuses() == [ACCEPTED]


async def test_what_says_nothing_of_a_command_is_ignored(scene: Scene) -> None:
    nobody = envelope("UserCreated", "alice", 1).model_copy(update={"causationid": None})

    assert await scene.apply(delivery(nobody)) == (0, 0, 1)
    assert await scene.statuses() == []


def test_an_outcome_that_can_not_be_stored_is_unreadable(scene: Scene) -> None:
    huge = Accepted(command_id=UUID(int=7), aggregate_id="alice", version=2**64, consistency_token="user/alice@1")

    with pytest.raises(UnreadableMessageError, match="integer_overflow"):
        scene.projection.read(outcome(huge))
