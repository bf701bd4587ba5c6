"""Takes what is published out of the outbox: of many batches at once, and in nobody's way."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres import outbox
from services.command.postgres.failures import in_few_words, is_transient

GATHER_SECONDS = 0.03

logger = structlog.stdlib.get_logger(__name__)


class Clearing:
    """`engine` needs not wait for the disk (see `FORGETFUL`): what comes back after a crash of PostgreSQL, or could not
    be cleared, is published again by the sweep.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._waiting: list[int] = []
        self._published: set[int] = set()
        self._came = asyncio.Event()
        self._ending = asyncio.Event()

    def clear(self, ids: Sequence[int]) -> None:
        """Soon; of messages that the broker has confirmed."""
        if ids:
            self._waiting.extend(ids)
            self._published.update(ids)
            self._came.set()

    def published(self) -> frozenset[int]:
        """What may still be in the outbox only because it was not cleared yet."""
        return frozenset(self._published)

    def end(self) -> None:
        """No more will come: `run` returns when all is cleared."""
        self._ending.set()
        self._came.set()

    async def run(self) -> None:
        while True:
            await self._came.wait()
            if not self._ending.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), GATHER_SECONDS)
            ids, self._waiting = self._waiting, []
            if ids:
                await self._clear(ids)
            if self._ending.is_set():
                return
            if not self._waiting:
                self._came.clear()

    async def _clear(self, ids: Sequence[int]) -> None:
        try:
            async with self._engine.connect() as connection:
                await outbox.clear(connection, ids)
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("outbox not cleared, will be published again", error=in_few_words(error))
        finally:
            self._published.difference_update(ids)
