"""What was read from the wire is forgotten with it: no process grows by the ids and names that came by."""

import sys
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter

from shared.contracts.answer import ANSWER, Answered, AsOf
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.outcome import OUTCOME, Accepted
from shared.contracts.views import EventPage

_MESSAGES = 5_000
_PAGES = TypeAdapter(Answered[EventPage])


def _event(number: int) -> CloudEvent:
    name = f"user-{number}-of-many"
    return CloudEvent(
        id=uuid4(),
        type="UserCreated",
        subject=f"user/{name}",
        time="2026-01-01T00:00:00Z",  # type: ignore[arg-type]
        aggregatetype="user",
        aggregateid=name,
        aggregateversion=1,
        position=number,
        data={"user_id": name, "name": name, "email": f"{name}@example.com"},
    )


def _page(number: int) -> bytes:
    page = EventPage(events=[_event(number)], more=False)
    return Answered(data=page, as_of=AsOf()).model_dump_json().encode()


def _outcome(number: int) -> bytes:
    accepted = Accepted(
        command_id=UUID(int=number), aggregate_id=f"u{number}", version=1, consistency_token=f"u{number}@1"
    )
    return accepted.model_dump_json().encode()


@pytest.mark.parametrize(
    ("read", "message"),
    [
        pytest.param(CloudEvent.model_validate_json, lambda n: _event(n).model_dump_json().encode(), id="events"),
        pytest.param(_PAGES.validate_json, _page, id="pages of the log"),
        pytest.param(ANSWER.validate_json, _page, id="answers"),
        pytest.param(OUTCOME.validate_json, _outcome, id="outcomes"),
    ],
)
def test_reading_many_messages_leaves_no_memory_behind(
    read: Callable[[bytes], object], message: Callable[[int], bytes]
) -> None:
    for number in range(100):
        read(message(number))
    before = sys.getallocatedblocks()

    for number in range(100, 100 + _MESSAGES):
        read(message(number))

    assert sys.getallocatedblocks() - before < _MESSAGES / 10
