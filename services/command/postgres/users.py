"""The users' current state, read and written a batch at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from services.command.aggregates import Change
from services.command.domain.user import User, UserStatus
from services.command.handlers.users import Users
from services.command.postgres.reading import Reading
from services.command.postgres.row_insert import Addition, OnConflict, RowInsert
from services.command.postgres.tables import users
from shared.contracts.base import Command
from shared.contracts.commands import CreateUser, UpdateUserEmail
from shared.contracts.fields import email_key

COLUMNS = ("user_id", "name", "email", "email_key", "status", "version")

USERS = select(users.c.user_id, users.c.name, users.c.email, users.c.status, users.c.version).where(
    users.c.user_id == any_(bindparam("user_ids", type_=ARRAY(Text)))
)
OWNERS = select(users.c.email_key, users.c.user_id).where(
    users.c.email_key == any_(bindparam("email_keys", type_=ARRAY(Text)))
)
INSERT = RowInsert(users, COLUMNS, now=["created_at", "updated_at"], often_same=["status", "version"])
UPDATE = RowInsert(
    users,
    COLUMNS,
    now=["created_at", "updated_at"],
    on_conflict=OnConflict("user_id", lambda new: {name: new[name] for name in (*COLUMNS[1:], "updated_at")}),
    prefix="updated_",
)


class UserStore:
    """The AggregateStore of users."""

    aggregate_type = "user"

    def readings(self, commands: Sequence[Command]) -> Sequence[Reading]:
        """The users, and who owns the e-mail addresses that the commands ask for."""
        ids = {command.aggregate_id for command in commands}
        keys = {email_key(email) for command in commands if (email := _email(command)) is not None}
        users = Reading(USERS, {"user_ids": sorted(ids)})
        return [users, Reading(OWNERS, {"email_keys": sorted(keys)})] if keys else [users]

    def loaded(self, rows: Sequence[Sequence[Sequence[Any]]]) -> Users:
        users, *owners = rows
        loaded = {
            user_id: (User(user_id, name, email, UserStatus(status)), version)
            for user_id, name, email, status, version in users
        }
        return Users(loaded, {key: user_id for found in owners for key, user_id in found})

    def additions(self, aggregates: Users) -> Sequence[Addition]:
        """All addresses are checked at the end of the statement, so one that a user gives up can go to another in the
        same batch.
        """
        changes = aggregates.changes()
        updated = [change for change in changes if change.loaded_version]
        created = [change for change in changes if not change.loaded_version]
        return [insert.of(_rows(changed)) for insert, changed in ((UPDATE, updated), (INSERT, created)) if changed]


def _email(command: Command) -> str | None:
    match command:
        case CreateUser():
            return command.email
        case UpdateUserEmail():
            return command.new_email
        case _:
            return None


def _rows(changes: Sequence[Change[User]]) -> list[tuple[Any, ...]]:
    return [
        (id_, user.name, user.email, email_key(user.email), user.status.value, version)
        for id_, user, version, _ in changes
    ]
