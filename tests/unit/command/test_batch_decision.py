"""What becomes of a batch, one arrival after the other, before anything is written."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.command.bootstrap import command_bus
from services.command.domain.user import User
from services.command.handlers.users import Users
from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.batch_decision import BatchDecision, decide_batch
from services.command.pipeline.dead_letter_reception import receive_dead_letter
from services.command.pipeline.reception import receive_command
from services.command.postgres.inbox import Processed
from tests.unit.command.deliveries import ALICE, SOME_ID, delivery

BUS = command_bus()
ALICES_STATE = User(ALICE["user_id"], ALICE["name"], ALICE["email"])
BOB = {"user_id": "bob", "name": "Bob", "email": "bob@example.com"}


def decided(
    *arrivals: Arrival,
    users: Iterable[User] = (),
    owners: dict[str, str] | None = None,
    known: dict[UUID, Processed] | None = None,
) -> BatchDecision:
    loaded = Users({user.user_id: (user, 4) for user in users}, owners or {})
    return decide_batch(arrivals, known=known or {}, aggregates={"user": loaded}, bus=BUS, new_id=uuid4)


def arrived(body: dict[str, Any] | bytes = ALICE, type_: str = "CreateUser", **properties: Any) -> Arrival:
    return receive_command(BUS, delivery(body, type=type_, **properties))


def outcomes(decision: BatchDecision) -> list[str]:
    said = [json.loads(text) for _, text in decision.replies]
    return [outcome["error"]["code"] if outcome["status"] == "rejected" else "accepted" for outcome in said]


def test_an_accepted_command_leaves_its_event_and_its_outcome() -> None:
    decision = decided(arrived(message_id=str(SOME_ID), correlation_id="c", user_id="client"))
    (fact,) = decision.facts
    assert (fact.row.type, fact.row.aggregate_id, fact.row.version) == ("UserCreated", "alice", 1)
    assert (fact.row.causation_id, fact.row.correlation_id, fact.row.actor) == (SOME_ID, "c", "client")
    assert json.loads(decision.processed[SOME_ID].outcome) == {
        "status": "accepted",
        "command_id": str(SOME_ID),
        "aggregate_id": "alice",
        "version": 1,
        "consistency_token": "user/alice@1",
    }
    assert decision.announced == [decision.processed[SOME_ID].outcome]


def test_commands_of_one_batch_see_each_other() -> None:
    decision = decided(
        arrived(),
        arrived({"user_id": "alice", "name": "Al"}, "RenameUser"),
        arrived({"user_id": "alice"}, "DeactivateUser"),
        arrived({"user_id": "alice", "name": "Alice"}, "RenameUser"),
    )
    assert outcomes(decision) == ["accepted", "accepted", "accepted", "user_deactivated"]
    assert [fact.row.version for fact in decision.facts] == [1, 2, 3]


def test_an_address_is_taken_within_the_batch_and_freed_within_the_batch() -> None:
    other = {"user_id": "carol", "name": "Carol", "email": "ALICE@example.com"}
    decision = decided(
        arrived(),
        arrived(other),
        arrived({"user_id": "alice", "new_email": "al@example.com"}, "UpdateUserEmail"),
        arrived(other),
    )
    assert outcomes(decision) == ["accepted", "email_taken", "accepted", "accepted"]


def test_the_same_command_twice_in_a_batch_has_one_effect_and_one_outcome() -> None:
    command = arrived(message_id=str(SOME_ID))
    decision = decided(command, arrived(message_id=str(SOME_ID)))
    assert len(decision.facts) == len(decision.processed) == 1
    assert decision.replies[0][1] == decision.replies[1][1]
    assert decision.counts == [("CreateUser", "accepted"), ("CreateUser", "duplicate")]


def test_other_content_under_the_same_id_is_a_conflict_and_the_first_stays() -> None:
    decision = decided(arrived(message_id=str(SOME_ID)), arrived(BOB, message_id=str(SOME_ID)))
    assert outcomes(decision) == ["accepted", "idempotency_conflict"]
    assert json.loads(decision.processed[SOME_ID].outcome)["status"] == "accepted"
    assert decision.announced == [decision.processed[SOME_ID].outcome]


def test_a_command_of_the_past_gets_its_outcome_again() -> None:
    first = decided(arrived(message_id=str(SOME_ID)))
    decision = decided(arrived(message_id=str(SOME_ID)), known=first.processed)
    assert decision.replies[0][1] == first.replies[0][1]
    assert not decision.facts
    assert not decision.processed
    assert not decision.announced, "it was announced then"


@pytest.mark.parametrize(("expected", "outcome"), [(4, "accepted"), (3, "version_conflict"), (5, "version_conflict")])
def test_the_expected_version_must_be_the_actual_one(expected: int, outcome: str) -> None:
    command = arrived({"user_id": "alice", "name": "Al"}, "RenameUser", headers={"expected-version": expected})
    decision = decided(command, users=[ALICES_STATE])
    assert outcomes(decision) == [outcome]


def test_every_outcome_is_announced() -> None:
    decision = decided(
        arrived({"user_id": "alice", "name": "Alice"}, "RenameUser"),
        arrived({"user_id": "nobody", "name": "N"}, "RenameUser"),
        arrived({"user_id": "alice", "name": "Al"}, "RenameUser"),
        users=[ALICES_STATE],
    )
    assert outcomes(decision) == ["accepted", "user_not_found", "accepted"]
    assert decision.announced == [text for _, text in decision.replies]


def test_a_message_that_can_never_work_is_a_dead_letter_with_an_outcome_that_is_not_remembered() -> None:
    decision = decided(arrived(b"not json", message_id=str(SOME_ID)), arrived(BOB, message_id=None), arrived())
    assert outcomes(decision) == ["invalid_message", "invalid_message", "accepted"]
    assert [letter.reason for letter in decision.letters] == ["invalid_message", "invalid_message"]
    assert SOME_ID not in decision.processed
    assert decision.announced == [decision.replies[0][1], decision.replies[2][1]]


def test_a_command_keeps_its_outcome_when_rubbish_comes_with_its_id() -> None:
    decision = decided(arrived(message_id=str(SOME_ID)), arrived(b"not json", message_id=str(SOME_ID)))
    assert outcomes(decision) == ["accepted", "invalid_message"]
    assert decision.announced == [decision.processed[SOME_ID].outcome]


def test_an_expired_command_is_rejected_and_remembered() -> None:
    headers = {"x-death": [{"reason": "expired", "queue": "commands.0", "exchange": "commands", "routing-keys": ["a"]}]}
    expired = receive_dead_letter(BUS, delivery(message_id=str(SOME_ID), headers=headers))
    decision = decided(expired, arrived(message_id=str(SOME_ID)))
    assert outcomes(decision) == ["expired", "expired"]
    assert not decision.facts
    assert not decision.letters
    assert decision.announced == [decision.replies[0][1]]
