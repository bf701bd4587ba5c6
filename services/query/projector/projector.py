"""The projector: from a queue into a read model."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import structlog

from services.query.metrics import QueryMetrics
from services.query.projector.counting import count_batch, count_dead_letters, kinds
from services.query.projector.dead_letters import DeadLetters
from services.query.projector.incoming import UnreadableMessageError
from services.query.projector.marker import is_marker, passed
from services.query.projector.projection import Projection, Tally
from services.query.projector.trouble import Trouble
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery
from shared.messaging.ports import BatchConsumer, Replier

logger = structlog.stdlib.get_logger(__name__)

MessageT = TypeVar("MessageT")


class OrderedConsumer(BatchConsumer, Protocol):
    def halt(self) -> None:
        """Ends `batches()` at once; what was not handed out goes back to its queue, in order."""
        ...


@dataclass(frozen=True, slots=True)
class _Batch(Generic[MessageT]):
    deliveries: list[Delivery] = field(default_factory=list)
    messages: list[MessageT] = field(default_factory=list)
    letters: list[tuple[Delivery, UnreadableMessageError]] = field(default_factory=list)
    markers: list[Delivery] = field(default_factory=list)


class Projector(Generic[MessageT]):
    """Runs one projection on the queue of its own: read a batch, write it, only then acknowledge it.

    While one batch is written the next one gathers, so that batches are as large as the load is high; they are written
    one after the other, which keeps the order of each document. While a server is away a batch is tried again with
    growing delay, for as long as its deliveries are ours.
    """

    def __init__(
        self,
        projection: Projection[MessageT],
        consumer: OrderedConsumer,
        dead_letters: DeadLetters,
        replier: Replier,
        metrics: QueryMetrics,
        *,
        max_batch: int = 500,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = projection.name
        self._projection = projection
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._replier = replier
        self._metrics = metrics
        self._max_batch = max_batch
        self._gathered: _Batch[MessageT] = _Batch()
        self._ended = False
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._trouble = Trouble(self.name, metrics, backoff or Backoff(), self._stopping)

    async def run(self) -> None:
        """Projects until `stop()`; returns when the batch in hand is done, or can't be now (it will be delivered
        again).
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_batches(), name=f"read {self.name}")
            tasks.create_task(self._write_batches(), name=f"write {self.name}")

    def stop(self) -> None:
        self._stopping.set()
        self._consumer.halt()

    def why_not(self) -> str | None:
        """Why it is not projecting right now; None when it is."""
        return self._trouble.why_not or self._consumer.trouble

    async def _read_batches(self) -> None:
        async for deliveries in self._consumer.batches():
            while len(self._gathered.deliveries) >= self._max_batch:
                self._taken.clear()
                await self._taken.wait()
            self._read(deliveries)
            self._arrived.set()
        self._ended = True
        self._arrived.set()

    async def _write_batches(self) -> None:
        while batch := await self._take():
            if await self._write_until_safe(batch):
                await self._replier.reply(passed(batch.markers))
                await self._consumer.ack(batch.deliveries)

    async def _take(self) -> _Batch[MessageT] | None:
        """All that has gathered; None when nothing will come any more."""
        while not self._gathered.deliveries:
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        batch, self._gathered = self._gathered, _Batch()
        self._taken.set()
        return batch

    def _read(self, deliveries: list[Delivery]) -> None:
        batch = self._gathered
        batch.deliveries.extend(deliveries)
        for delivery in deliveries:
            if is_marker(delivery):
                batch.markers.append(delivery)
                continue
            try:
                batch.messages.append(self._projection.read(delivery))
            except UnreadableMessageError as error:
                batch.letters.append((delivery, error))
            except Exception as error:
                logger.exception("a message could not be read", read_model=self.name, message_id=delivery.message_id)
                letter = UnreadableMessageError("projection_failed", type(error).__name__)
                batch.letters.append((delivery, letter))

    async def _write_until_safe(self, batch: _Batch[MessageT]) -> bool:
        """False when the batch is left to redelivery: because the channel it came on is gone, or we are stopping."""
        attempt = 0
        while any(self._consumer.is_current(delivery) for delivery in batch.deliveries):
            started = time.monotonic()
            try:
                tally = await self._projection.apply(batch.messages)
                await self._dead_letters.send(batch.letters)
            except Exception as error:
                attempt += 1
                if self._stopping.is_set():
                    break
                await self._trouble.wait_after(attempt, error)
            else:
                self._trouble.over()
                self._count(batch, tally, time.monotonic() - started)
                return True
        self._trouble.over()
        self._metrics.abandoned.labels(self.name).inc()
        return False

    def _count(self, batch: _Batch[MessageT], tally: Tally, seconds: float) -> None:
        count_batch(self._metrics, self.name, tally, kinds(batch.deliveries), seconds)
        count_dead_letters(self._metrics, self.name, batch.letters)
