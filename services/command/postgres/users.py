"""The users' current state, loaded and saved a batch at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import any_, bindparam, null, select, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from services.command.aggregates import Change
from services.command.domain.user import User, UserStatus
from services.command.handlers.users import Users
from services.command.postgres.row_insert import Addition, RowInsert
from services.command.postgres.rows import NOW, in_columns, unnested
from services.command.postgres.tables import users
from shared.contracts.base import Command
from shared.contracts.commands import CreateUser, UpdateUserEmail
from shared.contracts.fields import email_key

COLUMNS = ("user_id", "name", "email", "email_key", "status", "version")

LOCK = (
    select(users.c.user_id, users.c.name, users.c.email, users.c.status, users.c.version)
    .where(users.c.user_id == any_(bindparam("ids", type_=ARRAY(Text))))
    .order_by(users.c.user_id)
    .with_for_update()
)
_locked = LOCK.cte("locked")
LOCK_AND_FIND_OWNERS = union_all(
    select(_locked.c.user_id, _locked.c.name, _locked.c.email, _locked.c.status, _locked.c.version),
    select(users.c.user_id, null(), users.c.email_key, null(), null()).where(
        users.c.email_key == any_(bindparam("keys", type_=ARRAY(Text)))
    ),
)
"""Users with their versions, and then the owners of e-mail addresses with none."""
INSERT = RowInsert(users, COLUMNS, now=["created_at", "updated_at"], often_same=["status", "version"])
_new = unnested(users, *COLUMNS, now=["updated_at"]).subquery("new")
UPDATE = (
    update(users)
    .values({name: _new.c[name] for name in (*COLUMNS, "updated_at") if name != "user_id"})
    .where(users.c.user_id == _new.c.user_id)
)


class UserStore:
    """The AggregateStore of users."""

    aggregate_type = "user"

    async def load(self, connection: AsyncConnection, commands: Sequence[Command]) -> Users:
        """Locks the users, and reads who owns the e-mail addresses that the commands ask for.

        The owners are not locked: who is quicker is settled by the unique constraint, and the slower batch runs again.
        """
        ids = sorted({command.aggregate_id for command in commands})
        keys = {email_key(email) for command in commands if (email := _email(command)) is not None}
        if keys:
            rows = await connection.execute(LOCK_AND_FIND_OWNERS, {"ids": ids, "keys": sorted(keys)})
        else:
            rows = await connection.execute(LOCK, {"ids": ids})
        loaded: dict[str, tuple[User, int]] = {}
        owners: dict[str, str] = {}
        for user_id, name, email, status, version in rows:
            if version is None:
                owners[email] = user_id
            else:
                loaded[user_id] = User(user_id, name, email, UserStatus(status)), version
        return Users(loaded, owners)

    async def save(self, connection: AsyncConnection, aggregates: Users, now: datetime) -> Addition | None:
        """What is new comes after what is updated, so that an address one user gives up can go to a new one in the same
        batch.
        """
        changes = aggregates.changes()
        updated = [change for change in changes if change.loaded_version]
        inserted = [change for change in changes if not change.loaded_version]
        if updated:
            result = await connection.execute(UPDATE, {**in_columns(COLUMNS, _rows(updated)), NOW: now})
            if result.rowcount != len(updated):
                raise RuntimeError("a locked user has gone")
        return INSERT.of(_rows(inserted)) if inserted else None


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
