"""The time between a failure of the store and the next success."""

import asyncio
from contextlib import suppress

import structlog

from services.command.postgres.failures import in_few_words
from shared.messaging.backoff import Backoff

logger = structlog.stdlib.get_logger(__name__)


class Outage:
    """One for each who works with the store. `trouble` says for `/readyz` why it can't, None when it can."""

    def __init__(self, work: str, stopping: asyncio.Event, backoff: Backoff | None = None) -> None:
        self._work = work
        self._stopping = stopping
        self._backoff = backoff or Backoff()
        self._failures = 0
        self.trouble: str | None = None

    async def wait(self, error: BaseException) -> None:
        """Notes the failure and sleeps, longer each time; not at all once the service is stopping."""
        self._failures += 1
        self.trouble = f"PostgreSQL: {in_few_words(error)}"
        if self._failures == 1:
            logger.warning("store failed, will retry", work=self._work, error=in_few_words(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._backoff.delay(self._failures))

    def forget(self) -> None:
        """What failed is not ours to do any more, and with it goes all that is known: who waits for nothing, and gets
        nothing to do, would say for good that the store failed it once.
        """
        self._failures = 0
        self.trouble = None

    def over(self) -> None:
        """The work succeeded."""
        if self._failures:
            logger.info("store is back", work=self._work, failures=self._failures)
        self.forget()
