"""Up to which position of the log nothing new can appear."""

import asyncio
import time

from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres import log_pages

PATIENCE_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.001
LONGEST_PAUSE_SECONDS = 0.05


class SettledPosition:
    """Positions are handed out before their transactions commit, and those commit in any order: a reader who takes the
    newest position that he can see for the end of what there is skips the ones that are committed after it.

    A position that can be seen is settled once every transaction has ended that was running when it was seen. All
    earlier positions were handed out before it, hence to one of these, or to one that had ended. (A transaction must
    have its id before it takes a position: see `transaction` of RowInsert.)
    """

    def __init__(self, engine: AsyncEngine, *, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience = patience
        self._known = 0

    @property
    def known(self) -> int:
        """One that is settled for sure; there may be later ones by now."""
        return self._known

    async def newest(self) -> int:
        """The newest that can be seen now, once it is settled. When a transaction takes longer than `patience` seconds
        to end, the newest one that was settled before.
        """
        async with self._engine.connect() as connection:
            seen = await log_pages.horizon(connection)
            oldest, pause = seen.oldest_running, FIRST_PAUSE_SECONDS
            deadline = time.monotonic() + self._patience
            while oldest < seen.next:
                if time.monotonic() > deadline:
                    return self._known
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                oldest = await log_pages.oldest_running(connection)
        self._known = max(self._known, seen.position)
        return self._known
