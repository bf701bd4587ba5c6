"""Consumes from RabbitMQ in batches."""

import asyncio
from collections import Counter as Tally
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from itertools import count
from types import TracebackType
from typing import Self

import structlog
from aiormq.abc import DeliveredMessage
from prometheus_client import Counter

from shared.messaging.backoff import Backoff
from shared.messaging.broker_errors import LOST, in_words, unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.deliveries import delivery_of
from shared.messaging.envelope import Delivery
from shared.messaging.frame_channel import FrameChannel, ignore
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.outstanding import Outstanding
from shared.messaging.queue_probe import QueueProbe
from shared.messaging.supervised_channel import SupervisedChannel

CANCEL_SECONDS = 5.0

logger = structlog.stdlib.get_logger(__name__)


class AmqpBatchConsumer:
    """A BatchConsumer (see ports.py).

    `async with AmqpBatchConsumer(connection, ["queries"]) as consumer: async for batch in consumer.batches(): …`

    `prefetch` messages per queue at most are unacknowledged, which bounds memory. `linger` (seconds) is how long a
    batch waits for more after its first message. A queue that is missing, or whose consumer the broker has cancelled or
    (every `check_every` seconds) knows nothing of, is consumed from again as soon as it is there, while the others go
    on. Leaving the context closes the channel: what is not acknowledged by then is given back, in order.
    """

    def __init__(
        self,
        connection: SupervisedConnection,
        queues: Sequence[str],
        *,
        prefetch: int = 500,
        max_batch: int = 500,
        linger: float = 0.005,
        check_every: float = 5.0,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self._queues = tuple(queues)
        self._prefetch = prefetch
        self._max_batch = max_batch
        self._linger = linger
        self._check_every = check_every
        self._metrics = metrics or MessagingMetrics()
        self._channel = SupervisedChannel(connection, self, set_up=self._set_up, lost=self._lost)
        self._probe = QueueProbe(connection)
        self._resources = AsyncExitStack()
        self._sessions = count(1)
        self._session = 0
        self._open: FrameChannel | None = None  # the channel of this session
        self._outstanding = Outstanding()
        self._buffer: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._filled = asyncio.Event()
        self._ended = False
        self._halted = False
        self._stopping = False
        self._consumer_numbers = count(1)
        self._queue_of: dict[str, str] = {}  # by consumer tag
        self._tag_of: dict[str, str] = {}  # by queue: the consumers that we believe in
        self._troubles: dict[str, str] = {}  # by queue
        self._look = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._resources.enter_async_context(self._probe)
        await self._resources.enter_async_context(self._channel)
        watch = asyncio.create_task(self._watch(), name=f"consumers of {', '.join(self._queues)}")
        self._resources.push_async_callback(_cancel, watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.halt()
        await self._resources.aclose()

    async def batches(self) -> AsyncIterator[list[Delivery]]:
        while True:
            if not self._buffer:
                if self._ended:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if len(self._buffer) < self._max_batch and not self._ended:
                await self._wait_for_more()
            batch = [self._buffer.popleft() for _ in range(min(self._max_batch, len(self._buffer)))]
            if batch:
                yield batch

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See BatchConsumer. Doesn't wait for the socket: an acknowledgement that gets lost means a redelivery."""
        self._settle(deliveries, self._outstanding.ack, self._metrics.acked)

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        self._settle(deliveries, self._outstanding.requeue, self._metrics.requeued)

    def is_current(self, delivery: Delivery) -> bool:
        return self._open is not None and delivery.session == self._session

    async def stop(self) -> None:
        """Cancels the consumers; `batches()` hands out what has arrived and ends.

        For queues whose order means nothing (queries); where it matters, `halt`.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                for tag in self._tag_of.values():
                    if self._open is not None:
                        await unless_lost(self._open.basic_cancel(tag))
        except LOST as error:
            logger.info("consumers not cancelled", reason=in_words(error))
        self._ended = True
        self._wake()

    def halt(self) -> None:
        """Ends `batches()` at once: what has arrived and was not handed out is given back when the consumer is closed.

        This is how to stop on SIGTERM where order matters: the broker goes on regarding us as the single active
        consumer until the channel closes, so nobody gets a later message before what we give back. Acknowledging still
        works until then.
        """
        self._stopping = self._halted = self._ended = True
        self._buffer.clear()
        self._wake()

    @property
    def trouble(self) -> str | None:
        return self._channel.trouble or "; ".join(self._troubles.values()) or None

    def on_delivery(self, message: DeliveredMessage) -> None:
        if self._halted:
            return
        queue = self._queue_of[message.consumer_tag or ""]
        delivery = delivery_of(message, queue=queue, session=self._session)
        self._outstanding.add(delivery.delivery_tag)
        self._buffer.append(delivery)
        self._metrics.consumed.labels(queue).inc()
        if delivery.undecodable:
            self._metrics.undecodable.labels(queue).inc()
        self._wake()

    def on_cancel(self, consumer_tag: str) -> None:
        queue = self._queue_of[consumer_tag]
        if self._tag_of.get(queue) == consumer_tag:
            del self._tag_of[queue]
            self._troubles[queue] = f"the broker cancelled the consumer of queue {queue!r}"
            self._look.set()

    def on_return(self, message: DeliveredMessage) -> None:
        """Nothing is published here."""

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Nothing is published here."""

    def _wake(self) -> None:
        self._arrived.set()
        if len(self._buffer) >= self._max_batch or self._ended:
            self._filled.set()

    async def _wait_for_more(self) -> None:
        self._filled.clear()
        try:
            async with asyncio.timeout(self._linger):
                await self._filled.wait()
        except TimeoutError:
            pass

    def _settle(
        self, deliveries: Sequence[Delivery], frames_for: Callable[[int, Iterable[int]], bytes], counter: Counter
    ) -> None:
        channel = self._open
        if channel is None or channel.is_closed:
            return
        current = [delivery for delivery in deliveries if delivery.session == self._session]
        if frames := frames_for(channel.number, (delivery.delivery_tag for delivery in current)):
            channel.write(frames)
            for queue, number in Tally(delivery.queue for delivery in current).items():
                counter.labels(queue).inc(number)

    async def _set_up(self, channel: FrameChannel) -> None:
        self._session = next(self._sessions)
        self._open = channel
        self._tag_of.clear()
        self._troubles.clear()
        await channel.basic_qos(prefetch_count=self._prefetch)
        for queue in self._queues:
            await self._consume(channel, queue)

    def _lost(self) -> None:
        self._open = None
        self._tag_of.clear()
        self._buffer.clear()
        self._outstanding.clear()

    async def _consume(self, channel: FrameChannel, queue: str) -> None:
        """Consuming from a queue that isn't there would close the channel, to the harm of all other queues."""
        if self._stopping:
            return
        if await self._probe.consumers(queue) is None:
            self._troubles[queue] = f"queue {queue!r} is missing"
            return
        tag = f"{queue}-{next(self._consumer_numbers)}"
        self._queue_of[tag] = queue
        await unless_lost(channel.basic_consume(queue, ignore, consumer_tag=tag))
        self._tag_of[queue] = tag
        self._troubles.pop(queue, None)

    async def _watch(self) -> None:
        backoff, attempt = Backoff(), 0
        while True:
            attempt = attempt + 1 if self._troubles else 0
            wait = backoff.delay(attempt) if attempt else self._check_every
            try:
                async with asyncio.timeout(min(wait, self._check_every)):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            channel = self._channel.current
            if channel is not None and not self._stopping:
                try:
                    await self._check(channel)
                except Exception as error:  # the channel's own supervision takes it from here
                    logger.info("consumers not checked", reason=in_words(error))

    async def _check(self, channel: FrameChannel) -> None:
        for queue in self._queues:
            tag = self._tag_of.get(queue)
            if tag is not None and await self._probe.consumers(queue) == 0:
                logger.warning("the broker has lost our consumer", queue=queue)
                await unless_lost(channel.basic_cancel(tag))
                tag = None
            if tag is None:
                await self._consume(channel, queue)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
