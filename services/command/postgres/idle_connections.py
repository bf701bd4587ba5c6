"""Asks connections that have lain idle whether they live, before they are used."""

import time
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_SECONDS: Final = 1.0
_RETURNED: Final = "returned_at"


def ask_idle_connections(engine: AsyncEngine, *, idle: float = IDLE_SECONDS) -> None:
    """A connection that was given back more than `idle` seconds ago and is dead by now is replaced, unnoticed.

    `pool_pre_ping` asks each time, and each time takes three round trips (it opens a transaction to ask): under load
    that is a third of all there are. What was alive a moment ago may still die at any moment, so everybody who works
    with the store is prepared for that (see outage.py).
    """
    pool, dialect = engine.sync_engine.pool, engine.sync_engine.dialect

    @event.listens_for(pool, "checkin")
    def returned(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_RETURNED] = time.monotonic()

    @event.listens_for(pool, "checkout")
    def taken(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        returned_at = entry.info.get(_RETURNED)
        if returned_at is None or time.monotonic() - returned_at <= idle:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error
