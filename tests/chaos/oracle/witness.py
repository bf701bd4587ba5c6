"""Looks, as soon as a client hears of an outcome, whether PostgreSQL holds it: what is told must be safe already."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

import asyncpg

from tests.chaos.history import History
from tests.support.oracle import plain_postgres_url

IN_INBOX = "SELECT command_id::text FROM inbox WHERE command_id = ANY($1::uuid[])"
PAUSE_SECONDS = 0.02
GONE = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg says of a connection that was cut, too: the latter where it was cut between two messages."""


class Witness:
    """`is_poison` are messages that have outcomes and no place in the inbox. What was told too early is noted in the
    history. While PostgreSQL is away the question waits: the answer may not change by that.
    """

    def __init__(self, postgres_url: str, history: History, is_poison: Callable[[str], bool]) -> None:
        self._url = plain_postgres_url(postgres_url)
        self._history = history
        self._is_poison = is_poison
        self._pending: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, *GONE):
                connection = await asyncpg.connect(self._url, timeout=10)
                try:
                    await self._session(connection, stop)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.3)

    async def _session(self, connection: "asyncpg.Connection[asyncpg.Record]", stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._pending |= {told for told in self._history.take_told() if not self._is_poison(told)}
            if self._pending:
                safe = {row["command_id"] for row in await connection.fetch(IN_INBOX, sorted(self._pending))}
                self._note(self._pending - safe)
                self._pending.clear()
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, early: Collection[str]) -> None:
        for command_id in early:
            self._history.told_too_early.append(command_id)
            self._history.note("told too early", id=command_id)
