from datetime import UTC, datetime
from uuid import UUID

from services.query.domain_event import domain_event
from services.query.read_model import TimedOutcome
from services.query.read_models.command_status.record import record, supersedes
from shared.contracts.outcome import Accepted, Rejected, RejectionError
from tests.unit.query.given_events import at, command_id, created, envelope

COMMAND = UUID("0192f0c1-2d3e-7a4b-8c5d-100000000003")
SENT = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
REJECTED = Rejected(command_id=COMMAND, error=RejectionError(code="email_taken", message="…"))
ACCEPTED = Accepted(command_id=COMMAND, aggregate_id="alice", version=3, consistency_token="user/alice@3")


def test_an_event_says_that_its_command_was_accepted() -> None:
    assert record(created("alice")) == {
        "_id": str(command_id("alice", 1)),
        "status": "accepted",
        "aggregate_id": "alice",
        "version": 1,
        "time": at(1),
    }


def test_an_event_that_no_command_caused_says_nothing() -> None:
    assert record(domain_event(envelope("UserCreated", "alice", 1).model_copy(update={"causationid": None}))) is None


def test_a_version_that_no_aggregate_can_have_says_nothing() -> None:
    assert record(domain_event(envelope("UserRenamed", "alice", 2**64))) is None


def test_a_rejection_is_recorded_with_its_code() -> None:
    assert record(TimedOutcome(REJECTED, SENT)) == {
        "_id": "0192f0c1-2d3e-7a4b-8c5d-100000000003",
        "status": "rejected",
        "code": "email_taken",
        "time": SENT,
    }


def test_an_acceptance_without_an_event_is_recorded_with_its_version() -> None:
    assert record(TimedOutcome(ACCEPTED, None)) == {
        "_id": "0192f0c1-2d3e-7a4b-8c5d-100000000003",
        "status": "accepted",
        "aggregate_id": "alice",
        "version": 3,
        "time": None,
    }


def test_an_outcome_of_a_message_without_an_id_can_not_be_asked_for() -> None:
    assert record(TimedOutcome(REJECTED.model_copy(update={"command_id": None}), SENT)) is None


def test_only_an_acceptance_takes_the_place_of_what_stands_there() -> None:
    assert supersedes({"_id": "c", "status": "rejected", "code": "expired"}) is None
    assert supersedes({"_id": "c", "status": "accepted", "version": 4}) == {
        "$or": [{"status": "rejected"}, {"version": {"$lt": 4}}]
    }
