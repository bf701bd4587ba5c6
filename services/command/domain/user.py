"""The user: who may do what to an account, and what becomes of it. No I/O, no clock, no chance."""

from dataclasses import dataclass, replace
from enum import StrEnum

from services.command.domain.decision import Decision, Rejection
from shared.contracts.base import Command, Event
from shared.contracts.commands import CreateUser, DeactivateUser, ReactivateUser, RenameUser, UpdateUserEmail
from shared.contracts.events import UserCreated, UserDeactivated, UserEmailUpdated, UserReactivated, UserRenamed
from shared.contracts.outcome import RejectionCode


class UserStatus(StrEnum):
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    name: str
    email: str
    status: UserStatus = UserStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Facts:
    """What the user can't know by itself: whose e-mail address the command's one is now (None: nobody's)."""

    email_owner: str | None = None


def decide(user: User | None, command: Command, facts: Facts) -> Decision:
    """The events that the command leads to, none where it changes nothing, or why it is refused."""
    if isinstance(command, CreateUser):
        return _create(user, command, facts)
    if user is None:
        return Rejection(RejectionCode.USER_NOT_FOUND, "there is no such user")
    match command:
        case UpdateUserEmail():
            return _update_email(user, command, facts)
        case RenameUser():
            return _rename(user, command)
        case DeactivateUser():
            return _deactivate(user, command)
        case ReactivateUser():
            return _reactivate(user)
        case _:
            raise TypeError(f"{command.type} is no command to a user")


def evolve(user: User | None, event: Event) -> User:
    """The user after the event. Raises TypeError for an event that can't happen to it."""
    if isinstance(event, UserCreated):
        return User(user_id=event.user_id, name=event.name, email=event.email)
    if user is None:
        raise TypeError(f"{event.type} happened to no user")
    match event:
        case UserEmailUpdated():
            return replace(user, email=event.new_email)
        case UserRenamed():
            return replace(user, name=event.new_name)
        case UserDeactivated():
            return replace(user, status=UserStatus.DEACTIVATED)
        case UserReactivated():
            return replace(user, status=UserStatus.ACTIVE)
        case _:
            raise TypeError(f"{event.type} is no event of a user")


def _create(user: User | None, command: CreateUser, facts: Facts) -> Decision:
    if user is not None:
        return Rejection(RejectionCode.USER_ALREADY_EXISTS, "there is a user of this id already")
    if facts.email_owner is not None:
        return _email_taken("email")
    return [UserCreated(user_id=command.user_id, name=command.name, email=command.email)]


def _update_email(user: User, command: UpdateUserEmail, facts: Facts) -> Decision:
    if user.status is UserStatus.DEACTIVATED:
        return _deactivated()
    if command.new_email == user.email:
        return []
    if facts.email_owner not in (None, user.user_id):
        return _email_taken("new_email")
    return [UserEmailUpdated(user_id=user.user_id, old_email=user.email, new_email=command.new_email)]


def _rename(user: User, command: RenameUser) -> Decision:
    if user.status is UserStatus.DEACTIVATED:
        return _deactivated()
    if command.name == user.name:
        return []
    return [UserRenamed(user_id=user.user_id, old_name=user.name, new_name=command.name)]


def _deactivate(user: User, command: DeactivateUser) -> Decision:
    if user.status is UserStatus.DEACTIVATED:
        return _deactivated()
    return [UserDeactivated(user_id=user.user_id, reason=command.reason)]


def _reactivate(user: User) -> Decision:
    if user.status is UserStatus.ACTIVE:
        return Rejection(RejectionCode.USER_ACTIVE, "the user is active")
    return [UserReactivated(user_id=user.user_id)]


def _email_taken(field: str) -> Rejection:
    return Rejection(RejectionCode.EMAIL_TAKEN, "the e-mail address belongs to another user", {"field": field})


def _deactivated() -> Rejection:
    return Rejection(RejectionCode.USER_DEACTIVATED, "the user is deactivated")
