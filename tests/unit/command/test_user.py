"""The user's rules: given what has happened, when somebody wants this, then that happens."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.command.domain.decision import Rejection
from services.command.domain.user import Facts, User, UserStatus, decide, evolve
from shared.contracts.base import Command, Event
from shared.contracts.commands import CreateUser, DeactivateUser, ReactivateUser, RenameUser, UpdateUserEmail
from shared.contracts.events import UserCreated, UserDeactivated, UserEmailUpdated, UserReactivated, UserRenamed
from shared.contracts.outcome import RejectionCode

CREATE = CreateUser(user_id="alice", name="Alice", email="alice@example.com")
UPDATE = UpdateUserEmail(user_id="alice", new_email="al@example.com")
RENAME = RenameUser(user_id="alice", name="Al")
DEACTIVATE = DeactivateUser(user_id="alice", reason="asked to")
REACTIVATE = ReactivateUser(user_id="alice")

CREATED = UserCreated(user_id="alice", name="Alice", email="alice@example.com")
DEACTIVATED = UserDeactivated(user_id="alice", reason="asked to")


def given(*events: Event) -> User | None:
    user: User | None = None
    for event in events:
        user = evolve(user, event)
    return user


def when(user: User | None, command: Command, **facts: Any) -> Sequence[Event] | RejectionCode:
    decision = decide(user, command, Facts(**facts))
    return decision.code if isinstance(decision, Rejection) else decision


def test_created() -> None:
    assert when(given(), CREATE) == [CREATED]


def test_email_updated() -> None:
    assert when(given(CREATED), UPDATE) == [
        UserEmailUpdated(user_id="alice", old_email="alice@example.com", new_email="al@example.com")
    ]


def test_email_updated_in_its_case_only() -> None:
    command = UpdateUserEmail(user_id="alice", new_email="Alice@Example.com")
    assert when(given(CREATED), command, email_owner="alice") == [
        UserEmailUpdated(user_id="alice", old_email="alice@example.com", new_email="Alice@Example.com")
    ]


def test_renamed() -> None:
    assert when(given(CREATED), RENAME) == [UserRenamed(user_id="alice", old_name="Alice", new_name="Al")]


def test_deactivated() -> None:
    assert when(given(CREATED), DEACTIVATE) == [DEACTIVATED]


def test_reactivated() -> None:
    assert when(given(CREATED, DEACTIVATED), REACTIVATE) == [UserReactivated(user_id="alice")]


@pytest.mark.parametrize(
    "command",
    [
        UpdateUserEmail(user_id="alice", new_email="alice@example.com"),
        RenameUser(user_id="alice", name="Alice"),
    ],
)
def test_accepted_without_an_event_when_nothing_changes(command: Command) -> None:
    assert when(given(CREATED), command, email_owner="alice") == []


def test_an_existing_user_is_not_created_again() -> None:
    assert when(given(CREATED), CREATE) is RejectionCode.USER_ALREADY_EXISTS


@pytest.mark.parametrize(("user", "command"), [(given(), CREATE), (given(CREATED), UPDATE)])
def test_an_email_address_of_somebody_else_is_taken(user: User | None, command: Command) -> None:
    assert when(user, command, email_owner="bob") is RejectionCode.EMAIL_TAKEN


@pytest.mark.parametrize("command", [UPDATE, RENAME, DEACTIVATE, REACTIVATE])
def test_nothing_can_be_done_to_a_user_that_does_not_exist(command: Command) -> None:
    assert when(given(), command) is RejectionCode.USER_NOT_FOUND


@pytest.mark.parametrize(
    "command",
    [UPDATE, RENAME, DEACTIVATE, UpdateUserEmail(user_id="alice", new_email="alice@example.com")],
)
def test_a_deactivated_user_can_only_be_reactivated(command: Command) -> None:
    assert when(given(CREATED, DEACTIVATED), command) is RejectionCode.USER_DEACTIVATED


def test_an_active_user_is_not_reactivated() -> None:
    assert when(given(CREATED), REACTIVATE) is RejectionCode.USER_ACTIVE


def test_the_state_is_what_the_events_say() -> None:
    user = given(
        CREATED,
        UserEmailUpdated(user_id="alice", old_email="alice@example.com", new_email="al@example.com"),
        UserRenamed(user_id="alice", old_name="Alice", new_name="Al"),
        DEACTIVATED,
    )
    assert user == User(user_id="alice", name="Al", email="al@example.com", status=UserStatus.DEACTIVATED)
    assert evolve(user, UserReactivated(user_id="alice")).status is UserStatus.ACTIVE


def test_an_event_that_happened_to_nobody_is_a_bug() -> None:
    with pytest.raises(TypeError):
        evolve(None, DEACTIVATED)
