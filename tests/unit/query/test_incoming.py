import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from services.query.projector.incoming import (
    UnreadableMessageError,
    number_of_outcomes,
    read_event,
    read_event_or_outcomes,
)
from services.query.read_model import TimedOutcome
from shared.contracts.consistency_token import consistency_token
from shared.contracts.events import UserCreated
from shared.contracts.outcome import accepted_json, outcomes_json
from tests.unit.query.given_events import NOON, created, delivery, envelope

PLAIN = json.loads(envelope("UserCreated", "alice", 1, name="Alice", email="a@example.com").model_dump_json())


def test_an_event_is_read_with_its_data() -> None:
    event = read_event(delivery(created("alice")))

    assert (event.aggregate_id, event.version, event.type) == ("alice", 1, "UserCreated")
    assert event.data == UserCreated(user_id="alice", name="Alice", email="alice@Example.com")


def test_an_event_that_was_read_does_not_hold_its_envelope() -> None:
    """Which takes as much memory as the rest of it, while thousands wait."""
    event = read_event(delivery(created("alice")))

    assert event == created("alice")
    assert not hasattr(event, "envelope")


def test_what_a_newer_service_added_is_ignored() -> None:
    newer = {**PLAIN, "tenant": "x", "data": {**PLAIN["data"], "nickname": "Al"}}

    assert read_event(delivery(newer)).data == UserCreated(user_id="alice", name="Alice", email="a@example.com")


def test_times_are_kept_to_the_millisecond_that_mongodb_holds() -> None:
    event = read_event(delivery({**PLAIN, "time": "2026-11-22T12:00:00.123999Z"}))

    assert event.time == NOON.replace(microsecond=123000)


ACCEPTED = {"status": "accepted", "command_id": PLAIN["causationid"], "aggregate_id": "a", "version": 1}
REJECTED = {"status": "rejected", "command_id": None, "error": {"code": "invalid_message", "message": "…"}}


def test_one_message_tells_of_the_outcomes_of_many_commands() -> None:
    outcomes = [{**ACCEPTED, "consistency_token": "user/a@1"}, REJECTED]
    body = {"time": "2026-11-22T12:00:00.123999Z", "position": 7, "outcomes": outcomes}

    told = read_event_or_outcomes(delivery(body, type="CommandOutcomes"))

    assert told.position == 7
    assert all(isinstance(each, TimedOutcome) for each in told.happenings)
    times = [each.time for each in told.happenings]
    assert times == [NOON.replace(microsecond=123000)] * 2, "to the millisecond that MongoDB holds"
    assert [each.outcome.status for each in told.happenings if isinstance(each, TimedOutcome)] == [
        "accepted",
        "rejected",
    ]


def test_what_an_earlier_version_of_the_command_service_sent_is_read_as_well() -> None:
    single = delivery({**ACCEPTED, "consistency_token": "user/a@1"}, type="CommandOutcome", timestamp=NOON)

    (outcome,), position = (told := read_event_or_outcomes(single)).happenings, told.position

    assert isinstance(outcome, TimedOutcome)
    assert (outcome.outcome.status, outcome.time, position) == ("accepted", NOON, None)
    event = created("alice")
    told = read_event_or_outcomes(delivery(event))
    assert (told.happenings, told.position) == ([event], event.position)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"time": "yesterday", "position": None, "outcomes": []},
        {"time": "2026-11-22T12:00:00Z", "position": None, "outcomes": [{"status": "maybe"}]},
        {"time": "2026-11-22T12:00:00Z", "position": None, "outcomes": {}},
    ],
)
def test_what_tells_of_no_outcomes_can_not_be_read(body: Any) -> None:
    with pytest.raises(UnreadableMessageError):
        read_event_or_outcomes(delivery(body, type="CommandOutcomes"))


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


@pytest.mark.parametrize("number", [1, 2, 30, 500])
def test_how_many_outcomes_a_message_tells_of_shows_roughly_in_its_size(number: int) -> None:
    outcomes = [accepted_json(uuid4(), str(uuid4()), 1, consistency_token("user", str(uuid4()), 1))] * number
    message = replace(delivery({}), body="7".join(outcomes_json("2026-11-30T12:00:00.000Z", outcomes)).encode())

    assert 0.7 * number <= number_of_outcomes(message) <= 1.3 * number
