"""Keeps one consumer on each of some queues, whatever becomes of connection, channel and queue."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from itertools import count
from types import TracebackType
from typing import Final, Self

import structlog

from shared.messaging.backoff import Backoff
from shared.messaging.broker_errors import LOST, in_words, unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.frame_channel import ChannelListener, FrameChannel
from shared.messaging.queue_probe import QueueProbe
from shared.messaging.supervised_channel import SupervisedChannel
from shared.messaging.topology import declared

CANCEL_SECONDS: Final = 5.0
AFTER_CANCEL_SECONDS: Final = 0.25
"""The broker tells of a queue's end while the queue can still be found: consuming from it then closes the channel."""

logger = structlog.stdlib.get_logger(__name__)


class QueueConsumers:
    """One channel with a consumer per queue; their deliveries go to `listener`.

    A queue that is missing, or whose consumer the broker has cancelled, or (every `check_every` seconds) knows nothing
    of, is consumed from again as soon as it is there, while the others go on. So it is with one of ours that has other
    arguments than topology.py says: what they would do to order or to what overflows, nobody knows. That is looked
    at as often, for a broker takes a consumer along to a new queue of the same name when the old one's end comes to
    its channel late, and tells nobody. `opened` is called with each new channel before anything is delivered on it,
    `lost` when it is gone.
    """

    def __init__(
        self,
        connection: SupervisedConnection,
        queues: Sequence[str],
        listener: ChannelListener,
        *,
        prefetch: int,
        check_every: float,
        opened: Callable[[FrameChannel], None],
        lost: Callable[[], None],
    ) -> None:
        self._queues = tuple(queues)
        self._prefetch = prefetch
        self._check_every = check_every
        self._opened = opened
        self._lost = lost
        self._channel = SupervisedChannel(connection, listener, set_up=self._set_up, lost=self._channel_lost)
        self._probe = QueueProbe(connection)
        self._resources = AsyncExitStack()
        self._numbers = count(1)
        self._queue_of: dict[str, str] = {}  # by consumer tag, those of the past too
        self._tag_of: dict[str, str] = {}  # by queue: the consumers that we believe in
        self._troubles: dict[str, str] = {}  # by queue
        self._look = asyncio.Event()
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self._resources.enter_async_context(self._probe)
        await self._resources.enter_async_context(self._channel)
        watch = asyncio.create_task(self._watch(), name=f"consumers of {', '.join(self._queues)}")
        self._resources.push_async_callback(_cancel, watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    @property
    def trouble(self) -> str | None:
        """Why not every queue is consumed from right now; None when all are."""
        return self._channel.trouble or "; ".join(self._troubles.values()) or None

    def cancelled(self, consumer_tag: str) -> None:
        """The broker has cancelled this consumer."""
        queue = self._queue_of[consumer_tag]
        if self._tag_of.get(queue) == consumer_tag:
            del self._tag_of[queue]
            self._troubles[queue] = f"the broker cancelled the consumer of queue {queue!r}"
            self._look.set()

    def consume_no_more(self) -> None:
        """From now on lost consumers stay lost."""
        self._stopped = True

    async def cancel(self) -> None:
        """Cancels all consumers; when it returns, nothing more is delivered."""
        self._stopped = True
        channel = self._channel.current
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                for tag in list(self._tag_of.values()):
                    if channel is not None:
                        await unless_lost(channel.basic_cancel(tag))
        except LOST as error:
            logger.info("consumers not cancelled", reason=in_words(error))

    async def _set_up(self, channel: FrameChannel) -> None:
        self._tag_of.clear()
        self._troubles.clear()
        self._opened(channel)
        await unless_lost(channel.basic_qos(prefetch_count=self._prefetch))
        for queue in self._queues:
            await self._consume(channel, queue)

    def _channel_lost(self) -> None:
        self._tag_of.clear()
        self._lost()

    async def _consume(self, channel: FrameChannel, queue: str) -> None:
        """Asks first: consuming from a queue that isn't there would close the channel, to the harm of all others."""
        if self._stopped:
            return
        if await self._probe.consumers(queue) is None:
            self._troubles[queue] = f"queue {queue!r} is missing"
            return
        if await self._is_objectionable(queue):
            return
        tag = f"{queue}-{next(self._numbers)}"
        self._queue_of[tag] = queue
        await unless_lost(channel.consume(queue, consumer_tag=tag))
        self._tag_of[queue] = tag
        self._troubles.pop(queue, None)

    async def _is_objectionable(self, queue: str) -> bool:
        """Whether a queue that is there is one of ours and not as declared, which is our trouble then."""
        wanted = declared(queue)
        objection = None if wanted is None else await self._probe.objection(wanted)
        if objection is None:
            return False
        trouble = f"queue {queue!r} {objection}"
        if self._troubles.get(queue) != trouble:
            logger.error("queue not consumed from", queue=queue, reason=trouble)
        self._troubles[queue] = trouble
        return True

    async def _watch(self) -> None:
        backoff, attempt = Backoff(), 0
        while True:
            attempt = attempt + 1 if self._troubles else 0
            wait = min(self._check_every, backoff.delay(attempt)) if attempt else self._check_every
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._look.wait()
                await asyncio.sleep(AFTER_CANCEL_SECONDS)
            self._look.clear()
            channel = self._channel.current
            if channel is not None and not self._stopped:
                try:
                    await self._check(channel)
                except Exception as error:  # the channel's own supervision takes it from here
                    logger.info("consumers not checked", reason=in_words(error))

    async def _check(self, channel: FrameChannel) -> None:
        for queue in self._queues:
            tag = self._tag_of.get(queue)
            if tag is not None and await self._is_to_be_given_up(queue):
                self._tag_of.pop(queue, None)
                await unless_lost(channel.basic_cancel(tag))
            if queue not in self._tag_of:
                await self._consume(channel, queue)

    async def _is_to_be_given_up(self, queue: str) -> bool:
        consumers = await self._probe.consumers(queue)
        if consumers == 0:
            logger.warning("the broker has lost our consumer", queue=queue)
        return consumers == 0 or (consumers is not None and await self._is_objectionable(queue))


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
