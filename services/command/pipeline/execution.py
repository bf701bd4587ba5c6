"""Runs batches until they are committed: waits while the store is away, finds the command that spoils a batch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog

from services.command.metrics import CommandMetrics
from services.command.pipeline.arrivals import Arrival, Unprocessable
from services.command.pipeline.dead_letter import HANDLER_FAILED, dead_letter
from services.command.pipeline.transaction import Committed
from services.command.postgres.failures import in_few_words, is_conflict, is_transient
from services.command.postgres.outage import Outage
from shared.messaging.envelope import Delivery

MAX_ATTEMPTS = 3
MAX_TIMES_LATE = 10
"""Each time another process has committed something of the same aggregate; but a store that contradicts itself looks
the same."""
PAUSE_SECONDS = 0.05
"""Between attempts of one command: time enough for whoever was quicker to commit."""

logger = structlog.stdlib.get_logger(__name__)


class CommandFailedError(Exception):
    """Stands in the log for the error of a command."""


Transaction: TypeAlias = Callable[[Sequence[Arrival]], Awaitable[Committed]]


@dataclass(frozen=True, slots=True)
class _Part:
    """`failures` are those of a command that is alone; `was_late`: another process was quicker once already."""

    arrivals: Sequence[Arrival]
    failures: int = 0
    was_late: bool = False


class Execution:
    """`is_current` says whether a delivery can still be acknowledged; work on others is dropped, they come again."""

    def __init__(
        self,
        transaction: Transaction,
        outage: Outage,
        *,
        is_current: Callable[[Delivery], bool],
        stopping: asyncio.Event,
        metrics: CommandMetrics,
    ) -> None:
        self._transaction = transaction
        self._outage = outage
        self._is_current = is_current
        self._stopping = stopping
        self._metrics = metrics

    async def run(self, arrivals: Sequence[Arrival]) -> AsyncIterator[Committed]:
        """Yields each part of the batch as it is committed, in order; normally the whole batch at once.

        A batch that was late, because another process had written the same aggregate or command since it was read, runs
        again as it is; the second time it may be one command's fault, too. A batch that fails for what may be one
        command's fault is halved again and again, so that the culprit ends up alone and all others go through in their
        order. Alone it gets MAX_ATTEMPTS, or MAX_TIMES_LATE, and then becomes a dead letter. When the service stops
        while the store is away, the rest is dropped: it is delivered again.
        """
        todo = [_Part(arrivals)]
        while todo:
            part = self._current(todo.pop())
            if not part.arrivals:
                self._outage.forget()
                continue
            try:
                with self._metrics.batch_seconds.time():
                    committed = await self._transaction(part.arrivals)
            except Exception as error:
                if is_transient(error):
                    self._metrics.retries.labels("store").inc()
                    await self._outage.wait(error)
                    if self._stopping.is_set():
                        return
                    todo.append(part)
                else:
                    todo.extend(await self._after_failure(part, error))
            else:
                self._outage.over()
                self._metrics.batch_size.observe(len(part.arrivals))
                yield committed

    def _current(self, part: _Part) -> _Part:
        current = [arrival for arrival in part.arrivals if self._is_current(arrival.delivery)]
        if len(current) == len(part.arrivals):
            return part
        logger.info("dropped what will be delivered again", messages=len(part.arrivals) - len(current))
        return replace(part, arrivals=current)

    async def _after_failure(self, part: _Part, error: Exception) -> list[_Part]:
        """What to run instead, last first."""
        size = len(part.arrivals)
        if size > 1 and is_conflict(error) and not part.was_late:
            logger.info("another process was quicker, batch runs again", size=size, error=in_few_words(error))
            self._metrics.retries.labels("late").inc()
            return [_Part(part.arrivals, was_late=True)]
        if size > 1:
            logger.info("batch failed, runs again in halves", size=size, error=in_few_words(error))
            self._metrics.retries.labels("halved").inc()
            return [_Part(part.arrivals[size // 2 :]), _Part(part.arrivals[: size // 2])]
        (arrival,) = part.arrivals
        failures = part.failures + 1
        delivery = arrival.delivery
        about = {"queue": delivery.queue, "type": delivery.type, "message_id": delivery.message_id}
        if failures < (MAX_TIMES_LATE if is_conflict(error) else MAX_ATTEMPTS):
            logger.warning("command failed, runs again", attempt=failures, error=in_few_words(error), **about)
            self._metrics.retries.labels("command").inc()
            await asyncio.sleep(PAUSE_SECONDS * failures)
            return [_Part(part.arrivals, failures)]
        if isinstance(arrival, Unprocessable):
            raise error  # not even the dead letter can be written: a bug of ours, for which there is no other place
        logger.error(
            "command failed, becomes a dead letter", attempt=failures, exc_info=_without_values(error), **about
        )
        detail = f"{type(error).__name__}: {in_few_words(error)}"
        letter = dead_letter(delivery, HANDLER_FAILED, detail, attempts=failures)
        return [_Part([Unprocessable(delivery=delivery, letter=letter)])]


def _without_values(error: Exception) -> Exception:
    """The same traceback under a message without the values that an error's text may quote."""
    return CommandFailedError(in_few_words(error)).with_traceback(error.__traceback__)
