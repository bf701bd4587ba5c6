"""What a projection fails with: told, counted, and waited after."""

import asyncio
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from services.query.metrics import QueryMetrics
from services.query.projector.dead_letters import DeadLettersUnavailableError
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.projection import ContendedError
from shared.messaging.backoff import Backoff

WORLD_FAILING = (PyMongoError, EventLogUnavailableError, DeadLettersUnavailableError, ContendedError)

logger = structlog.stdlib.get_logger(__name__)


class Trouble:
    """Of the read model `name`. `why_not` is what it is now, in a few words; None when there is none."""

    def __init__(self, name: str, metrics: QueryMetrics, backoff: Backoff, stopping: asyncio.Event) -> None:
        self.why_not: str | None = None
        self._name = name
        self._metrics = metrics
        self._backoff = backoff
        self._stopping = stopping

    async def wait_after(self, attempt: int, error: Exception) -> None:
        """The longer the more attempts (1, 2, …) have failed; not at all when we are stopping."""
        name = type(error).__name__
        self.why_not = f"{self._name}: attempt {attempt} failed: {name}"
        self._metrics.retries.labels(self._name, name).inc()
        if isinstance(error, WORLD_FAILING):
            logger.warning("projection paused", read_model=self._name, attempt=attempt, error=name)
        else:
            logger.error("projection paused", read_model=self._name, attempt=attempt, exc_info=error)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.delay(attempt)):
                await self._stopping.wait()

    def over(self) -> None:
        self.why_not = None
