from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from pydantic import BaseModel

from services.ops.rendering.answer import answer_text
from services.ops.rendering.contracts import contracts_json, contracts_table
from services.ops.rendering.event import event_line
from services.ops.rendering.outcome import HINTS, outcome_text
from shared.contracts.answer import Answered, AnswerError, AsOf, Failed
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.commands import COMMANDS
from shared.contracts.outcome import Accepted, Rejected, RejectionCode, RejectionError
from shared.contracts.queries import QUERIES
from shared.contracts.views import Change, HistoryEntry, HistoryPage, SignupBucket, SignupStats, UserPage, UserView
from tests.unit.ops.plain_text import plain_text

ID = UUID("0192f000-0000-7000-8000-000000000001")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALICE = UserView(
    user_id="alice",
    name="Alice [red]",
    email="alice@example.com",
    status="active",
    created_at=NOW,
    updated_at=NOW,
    version=3,
)


def answered(data: BaseModel) -> Answered[BaseModel]:
    return Answered[BaseModel](data=data, as_of=AsOf())


def test_an_accepted_outcome_tells_version_and_token() -> None:
    outcome = Accepted(command_id=ID, aggregate_id="alice", version=3, consistency_token="user/alice@3")
    text = plain_text(outcome_text(outcome))
    assert text.splitlines() == [
        "accepted  alice is at version 3",
        f"          token user/alice@3  command {ID}",
    ]


@pytest.mark.parametrize("code", list(RejectionCode))
def test_a_rejection_tells_its_code_and_what_to_do(code: RejectionCode) -> None:
    text = plain_text(outcome_text(Rejected(command_id=ID, error=RejectionError(code=code, message="because"))))
    assert f"rejected  {code}: because" in text
    assert HINTS.get(code, "") in text


def test_a_code_of_a_later_version_is_shown_too() -> None:
    outcome = Rejected(command_id=None, error=RejectionError(code="quota", message="full", details={"limit": 3}))
    assert "rejected  quota: full" in plain_text(outcome_text(outcome))


def test_a_user_is_shown_field_by_field_and_as_it_is() -> None:
    text = plain_text(answer_text(answered(ALICE)))
    assert "Alice [red]" in text
    assert "2026-01-02 03:04:05Z" in text


def test_a_page_is_a_table_that_says_how_to_go_on() -> None:
    text = plain_text(answer_text(answered(UserPage(items=[ALICE, ALICE], next_cursor="abc"))))
    assert text.count("alice@example.com") == 2
    assert "more: add cursor=abc" in text


def test_a_history_shows_each_change_and_no_empty_column() -> None:
    renamed = Change.model_validate({"field": "name", "from": "Al", "to": "Alice"})
    left = Change.model_validate({"field": "reason", "to": "left"})
    entry = HistoryEntry(version=2, time=NOW, type="UserRenamed", changes=[renamed, left], event_id=ID)

    text = plain_text(answer_text(answered(HistoryPage(items=[entry]))))

    assert "name: Al → Alice" in text
    assert "reason: – → left" in text
    assert "correlation_id" not in text


def test_sign_ups_are_a_table_of_buckets() -> None:
    day = SignupBucket(bucket=date(2026, 1, 2), signups=7, deactivations=1, reactivations=0, active_total=6)

    text = plain_text(answer_text(answered(SignupStats(items=[day]))))

    assert text.split() == [*SignupBucket.model_fields, "2026-01-02", "7", "1", "0", "6"]


def test_an_empty_page_says_so() -> None:
    assert plain_text(answer_text(answered(UserPage(items=[])))).strip() == "none"


def test_an_error_answer_tells_its_code() -> None:
    error = AnswerError(code="stale_read", message="not yet", retryable=True)
    assert "stale_read  not yet  (the same question may" in plain_text(answer_text(Failed(error=error)))


def test_an_event_is_one_line() -> None:
    event = CloudEvent(
        id=ID,
        type="UserRenamed",
        subject="user/alice",
        time=NOW,
        aggregatetype="user",
        aggregateid="alice",
        aggregateversion=3,
        position=42,
        data={"user_id": "alice", "new_name": "Älice"},
    )
    assert plain_text(event_line(event)) == '03:04:05.000  UserRenamed       user/alice@3  {"new_name": "Älice"}\n'


def test_contracts_are_listed_with_their_fields() -> None:
    text = plain_text(contracts_table(COMMANDS))
    assert "user_id name email" in text
    assert "user_id reason?" in text
    assert "from? to? bucket?" in plain_text(contracts_table(QUERIES))
    assert set(contracts_json(QUERIES)) == set(QUERIES)
    assert contracts_json(COMMANDS)["CreateUser"]["required"] == ["user_id", "name", "email"]
