"""What a batch tells the read side of its outcomes."""

import json
from datetime import UTC, datetime
from uuid import UUID

from services.command.pipeline.announcements import MOST_OUTCOMES, outcome_messages
from shared.contracts.outcome import accepted_json

NOON = datetime(2026, 11, 29, 12, 0, 0, 123456, UTC)
ID = UUID(int=7, version=4)


def outcomes(count: int) -> list[str]:
    return [accepted_json(UUID(int=number, version=4), "alice", 1, "user/alice@1") for number in range(count)]


def test_the_outcomes_of_a_batch_go_in_one_message_around_a_position() -> None:
    (promised,) = outcome_messages(outcomes(3), NOON, lambda: ID)

    assert (promised.exchange, promised.type) == ("outcomes", "CommandOutcomes")
    body = json.loads(promised.envelope(43).body)
    assert (body["time"], body["position"]) == ("2026-11-29T12:00:00.123456Z", 43)
    assert body["outcomes"] == [json.loads(text) for text in outcomes(3)]


def test_a_batch_without_events_has_no_position_and_one_without_outcomes_no_message() -> None:
    (promised,) = outcome_messages(outcomes(1), NOON, lambda: ID)

    assert json.loads(promised.envelope(None).body)["position"] is None
    assert outcome_messages([], NOON, lambda: ID) == []


def test_what_is_too_many_for_a_message_goes_in_several() -> None:
    messages = outcome_messages(outcomes(MOST_OUTCOMES + 1), NOON, lambda: ID)

    assert [len(json.loads(each.envelope(1).body)["outcomes"]) for each in messages] == [MOST_OUTCOMES, 1]
