"""Whose fault an error is: the world's, which passes, or perhaps that of one command."""

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

PERHAPS_A_COMMANDS_FAULT = ("21", "22", "23", "44", "54", "P0")
"""Classes of SQLSTATE: bad data, a violated constraint, a program limit, an exception raised by a trigger.
https://www.postgresql.org/docs/current/errcodes-appendix.html

All others are the world's: no connection, a deadlock, a disk full, a standby, and also a missing right or table, for
which no command can be blamed. It's safer to wait and say so than to turn every command into a dead letter.
"""
UNIQUE_VIOLATION = "23505"
REFUSED = ("28", "3D")
"""Wrong password or role, no such database: waiting does not help."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may well succeed later, without anybody changing it."""
    state = sqlstate(error)
    if state is not None:
        return not state.startswith(PERHAPS_A_COMMANDS_FAULT)
    if isinstance(error, DBAPIError):
        # Without a state the driver itself failed: refused to encode an argument (ours), or lost the connection.
        return error.connection_invalidated or not isinstance(_cause(error), asyncpg.DataError | ValueError | TypeError)
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError | asyncpg.InterfaceError | asyncpg.PostgresError)


def is_conflict(error: BaseException) -> bool:
    """Whether a unique constraint is violated: all is decided on what was read, so somebody was quicker."""
    return sqlstate(error) == UNIQUE_VIOLATION


def is_refused(error: BaseException) -> bool:
    state = sqlstate(error)
    return state is not None and state.startswith(REFUSED)


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five letters; None where the error is not from the server."""
    origin: object = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None


def in_few_words(error: BaseException) -> str:
    """For logs and `/readyz`: never a statement or a value."""
    state = sqlstate(error)
    name = type(_cause(error) if isinstance(error, SQLAlchemyError) else error).__name__
    return f"{name} ({state})" if state else name


def _cause(error: BaseException) -> BaseException:
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return origin.__cause__ or origin
