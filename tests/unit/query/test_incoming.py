import json
from typing import Any

import pytest

from services.query.projector.incoming import UnreadableMessageError, read_event, read_event_or_outcome
from services.query.read_model import TimedOutcome
from shared.contracts.events import UserCreated
from tests.unit.query.given_events import NOON, created, delivery, envelope

PLAIN = json.loads(envelope("UserCreated", "alice", 1, name="Alice", email="a@example.com").model_dump_json())


def test_an_event_is_read_with_its_data() -> None:
    event = read_event(delivery(created("alice")))

    assert (event.aggregate_id, event.version, event.type) == ("alice", 1, "UserCreated")
    assert event.data == UserCreated(user_id="alice", name="Alice", email="alice@Example.com")


def test_what_a_newer_service_added_is_ignored() -> None:
    newer = {**PLAIN, "tenant": "x", "data": {**PLAIN["data"], "nickname": "Al"}}

    assert read_event(delivery(newer)).data == UserCreated(user_id="alice", name="Alice", email="a@example.com")


def test_times_are_kept_to_the_millisecond_that_mongodb_holds() -> None:
    event = read_event(delivery({**PLAIN, "time": "2026-11-22T12:00:00.123999Z"}))

    assert event.time == NOON.replace(microsecond=123000)


def test_an_outcome_is_told_by_its_type() -> None:
    body = {"status": "accepted", "command_id": PLAIN["causationid"], "aggregate_id": "a", "version": 1}
    message = delivery({**body, "consistency_token": "user/a@1"}, type="CommandOutcome", timestamp=NOON)

    outcome = read_event_or_outcome(message)

    assert isinstance(outcome, TimedOutcome)
    assert (outcome.outcome.status, outcome.time) == ("accepted", NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"aggregateversion": 1' + b"0" * 5000 + b"}",
        json.dumps({**PLAIN, "aggregateid": "\ud800"}).encode(),
        {**PLAIN, "aggregateversion": 0},
        {**PLAIN, "aggregateversion": -3},
        {**PLAIN, "aggregateversion": None},
        {**PLAIN, "aggregateid": ""},
        {**PLAIN, "aggregateid": "a" * 65},
        {**PLAIN, "time": "yesterday"},
        {**PLAIN, "data": [1]},
        {key: value for key, value in PLAIN.items() if key != "aggregateid"},
    ],
    ids=lambda body: repr(body)[:20],
)
def test_what_is_no_event_can_not_be_read(body: Any) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        read_event(delivery(body))

    assert refused.value.reason == "invalid_message"


@pytest.mark.parametrize("properties", [{"undecodable": "timestamp out of range"}, {"content_encoding": "gzip"}])
def test_properties_that_can_not_be_honoured_make_it_unreadable(properties: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        read_event(delivery(created("alice"), **properties))


def test_the_reason_names_the_field_and_not_its_value() -> None:
    with pytest.raises(UnreadableMessageError, match=r"^invalid_message: aggregateversion: ") as refused:
        read_event(delivery({**PLAIN, "aggregateversion": "alice@example.com"}))

    assert "alice@example.com" not in str(refused.value)
