"""Consumes from RabbitMQ in batches."""

import asyncio
from collections import Counter as Tally
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Self

from prometheus_client import Counter

from shared.messaging.arrival_rate import ArrivalRate
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Receipt
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.outstanding import Outstanding
from shared.messaging.queue_consumers import QueueConsumers

WORTH_A_REST = 2
"""Messages that are to be expected in the meantime."""
TURNS_TO_READ = 2
"""Of the event loop: one in which the socket is waited for again, one in which it is read."""


class AmqpBatchConsumer:
    """A BatchConsumer (see ports.py).

    `async with AmqpBatchConsumer(connection, ["queries"]) as consumer: async for batch in consumer.batches(): …`

    `prefetch` messages per queue at most are unacknowledged, which bounds memory. `linger` (seconds) is how long a
    batch waits for more after its first message while many arrive; the fewer, the shorter (as `arrivals` has it), and
    not at all when none is to be expected. `weigh` says for how many a message counts in that. Consumers that get lost
    are made again (see QueueConsumers). Leaving the context closes the channel: what is not acknowledged by then is
    given back, in order. With `rest` nothing is read while a batch waits and several are to come, but all at its end:
    one by one would cost more. It concerns all consumers of the connection.
    """

    def __init__(
        self,
        connection: SupervisedConnection,
        queues: Sequence[str],
        *,
        prefetch: int = 500,
        max_batch: int = 500,
        linger: float = 0.005,
        arrivals: ArrivalRate | None = None,
        weigh: Callable[[Delivery], int] | None = None,
        rest: bool = False,
        check_every: float = 5.0,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self._max_batch = max_batch
        self._linger = linger
        self._rest = rest
        self._metrics = metrics or MessagingMetrics()
        self._consumers = QueueConsumers(
            connection,
            queues,
            self,
            prefetch=prefetch,
            check_every=check_every,
            opened=self._session_began,
            lost=self._session_ended,
        )
        self._sessions = count(1)
        self._session = 0
        self._channel: FrameChannel | None = None  # of this session
        self._outstanding = Outstanding()
        self._buffer: deque[Delivery] = deque()
        self._arrival_rate = arrivals or ArrivalRate()
        self._weigh = weigh
        self._arrived = asyncio.Event()
        self._filled = asyncio.Event()
        self._ended = False
        self._halted = False

    async def __aenter__(self) -> Self:
        await self._consumers.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.halt()
        await self._consumers.__aexit__(kind, error, trace)

    async def batches(self) -> AsyncIterator[list[Delivery]]:
        while True:
            if not self._buffer:
                if self._ended:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if len(self._buffer) < self._max_batch and not self._ended and (seconds := self._time_to_linger()):
                await self._wait_for_more(seconds)
            if self._buffer:
                yield self._next_batch()  # in no variable here, which would hold it until the next one

    def _next_batch(self) -> list[Delivery]:
        return [self._buffer.popleft() for _ in range(min(self._max_batch, len(self._buffer)))]

    async def ack(self, deliveries: Sequence[Receipt]) -> None:
        """See BatchConsumer. Doesn't wait for the socket: an acknowledgement that gets lost means a redelivery."""
        self._settle(deliveries, self._outstanding.ack, self._metrics.acked)

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        self._settle(deliveries, self._outstanding.requeue, self._metrics.requeued)

    def is_current(self, delivery: Receipt) -> bool:
        return self._channel is not None and delivery.session == self._session

    async def stop(self) -> None:
        """Cancels the consumers; `batches()` hands out what has arrived and ends.

        For queues whose order means nothing (queries); where it matters, `halt`.
        """
        await self._consumers.cancel()
        self._ended = True
        self._wake()

    def halt(self) -> None:
        """Ends `batches()` at once: what has arrived and was not handed out is given back when the consumer is closed.

        This is how to stop on SIGTERM where order matters: the broker goes on regarding us as the single active
        consumer until the channel closes, so nobody gets a later message before what we give back. Acknowledging still
        works until then.
        """
        self._consumers.consume_no_more()
        self._halted = self._ended = True
        self._buffer.clear()
        self._wake()

    @property
    def trouble(self) -> str | None:
        return self._consumers.trouble

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        if self._halted:
            return
        if self._linger:
            self._count_arrivals(len(deliveries) if self._weigh is None else sum(map(self._weigh, deliveries)))
        self._outstanding.add(*[delivery.delivery_tag for delivery in deliveries])
        self._buffer.extend(deliveries)
        _count(self._metrics.consumed, deliveries)
        if undecodable := [delivery for delivery in deliveries if delivery.undecodable]:
            _count(self._metrics.undecodable, undecodable)
        self._wake()

    def on_cancel(self, consumer_tag: str) -> None:
        self._consumers.cancelled(consumer_tag)

    def on_return(self, message: Delivery) -> None:
        """Nothing is published here."""

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Nothing is published here."""

    def _session_began(self, channel: FrameChannel) -> None:
        self._session = next(self._sessions)
        self._channel = channel
        channel.mark(self._session)

    def _session_ended(self) -> None:
        self._channel = None
        self._buffer.clear()
        self._outstanding.clear()

    def _wake(self) -> None:
        self._arrived.set()
        if len(self._buffer) >= self._max_batch or self._ended:
            self._filled.set()

    def _count_arrivals(self, messages: int) -> None:
        self._arrival_rate.count(messages, monotonic())

    def _time_to_linger(self) -> float:
        """Seconds; none when nothing more is to be expected in the meantime."""
        if not self._linger:
            return 0.0
        now = monotonic()
        seconds = self._arrival_rate.worth_waiting(self._linger, now)
        return seconds if self._arrival_rate.expected_within(seconds, now) >= 1 else 0.0

    async def _wait_for_more(self, seconds: float) -> None:
        self._filled.clear()
        resting = self._channel if self._rest and self._is_worth_a_rest(seconds) else None
        if resting is not None:
            resting.rest(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        if resting is not None:
            for _ in range(TURNS_TO_READ):
                await asyncio.sleep(0)

    def _is_worth_a_rest(self, seconds: float) -> bool:
        """Not when few are to come, nor when so many that the batch is full before."""
        expected = self._arrival_rate.expected_within(seconds, monotonic())
        return WORTH_A_REST <= expected < self._max_batch - len(self._buffer)

    def _settle(
        self, deliveries: Sequence[Receipt], frames_for: Callable[[int, Iterable[int]], bytes], counter: Counter
    ) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        current = [delivery for delivery in deliveries if delivery.session == self._session]
        if frames := frames_for(channel.number, (delivery.delivery_tag for delivery in current)):
            channel.write(frames)
            _count(counter, current)


def _count(counter: Counter, deliveries: Iterable[Receipt]) -> None:
    for queue, number in Tally(delivery.queue for delivery in deliveries).items():
        counter.labels(queue).inc(number)
