import json
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from services.query.control.control_bus import ControlBus
from services.query.control.heal_aggregate import HealAggregateHandler
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.fold import Failure
from shared.contracts.control import HealAggregate
from tests.unit.query.given_events import delivery

ALICE = {"model": "users", "aggregate_id": "alice"}


class Healer:
    """Heals, fails, or raises, as a test says; keeps whom it was asked to heal."""

    def __init__(self) -> None:
        self.result: Failure | Exception | None = None
        self.asked: list[str] = []

    async def heal(self, aggregate_id: str) -> Failure | None:
        self.asked.append(aggregate_id)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def healer() -> Healer:
    return Healer()


@pytest.fixture
def bus(healer: Healer) -> ControlBus:
    bus = ControlBus()
    bus.register(HealAggregate, HealAggregateHandler({"users": healer}))
    return bus


async def ask(bus: ControlBus, type_: str | None, body: Any) -> dict[str, Any]:
    reply = await bus(delivery(body, type=type_))
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


async def test_a_healed_aggregate_is_no_longer_parked(bus: ControlBus, healer: Healer) -> None:
    answer = await ask(bus, "HealAggregate", ALICE)

    assert (answer["status"], answer["data"]) == ("ok", {**ALICE, "still_parked": None})
    assert healer.asked == ["alice"]


async def test_an_aggregate_that_stays_parked_says_why(bus: ControlBus, healer: Healer) -> None:
    healer.result = Failure(3, "projection_failed", "UserRenamed: KeyError")

    answer = await ask(bus, "HealAggregate", ALICE)

    because = {"version": 3, "reason": "projection_failed", "detail": "UserRenamed: KeyError"}
    assert answer["data"]["still_parked"] == because


@pytest.mark.parametrize(
    ("type_", "body", "code", "said"),
    [
        (None, ALICE, "unknown_type", "HealAggregate"),
        ("HealEverything", ALICE, "unknown_type", "HealAggregate"),
        ("HealAggregate", b"{", "invalid_message", ""),
        ("HealAggregate", {"model": "users"}, "invalid_message", "1 fault"),
        ("HealAggregate", {**ALICE, "model": "orders"}, "invalid_message", "there are users"),
    ],
)
async def test_what_can_not_be_done_is_answered_with_why(
    bus: ControlBus, healer: Healer, type_: str | None, body: Any, code: str, said: str
) -> None:
    answer = await ask(bus, type_, body)

    assert answer["error"]["code"] == code
    assert said in answer["error"]["message"]
    assert healer.asked == []


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ServerSelectionTimeoutError("away"), True),
        (EventLogUnavailableError("the event log gives no answer"), True),
        (RuntimeError("a secret value"), False),
    ],
)
async def test_the_world_failing_is_an_answer_too(
    bus: ControlBus, healer: Healer, error: Exception, retryable: bool
) -> None:
    healer.result = error

    answer = await ask(bus, "HealAggregate", ALICE)

    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("internal", retryable)
    assert "secret" not in answer["error"]["message"]


def test_a_type_has_one_handler(bus: ControlBus, healer: Healer) -> None:
    with pytest.raises(ValueError, match="HealAggregate"):
        bus.register(HealAggregate, HealAggregateHandler({"users": healer}))
