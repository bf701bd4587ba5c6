"""Answers requests that come over the broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import structlog

from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.joint_handler import JointHandler
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.ports import BatchConsumer, Replier
from shared.messaging.reply import Reply, addressed
from shared.messaging.reply_address import is_allowed

RequestHandler: TypeAlias = Callable[[Delivery], Awaitable[Reply | None]]
"""Answers one request (None: no answer).

Handlers of one batch start in the same turn of the event loop, so what they read can be coalesced.
"""

JOINT_CALLS: Final = 2
MOST_JOINED: Final = 256
JOINT_SECONDS: Final = 0.2
ACKED_AT_ONCE: Final = 64
ACK_SECONDS: Final = 0.005
LEISURE: Final = 4
"""Who has less time left than so many joint calls may take is answered alone: fewer take all that a consumer holds."""

logger = structlog.stdlib.get_logger(__name__)


class Responder:
    """Runs a handler for every request, many at a time, sends its reply and then acknowledges: those of ACK_SECONDS
    together, or ACKED_AT_ONCE. What is not acknowledged when a process dies is answered once more.

    A request without an allowed `reply_to`, one that is undecodable, or one past its deadline (`expiration`, in ms from
    its arrival) is dropped and counted; a handler is cancelled at its request's deadline. An exception of the handler
    is logged and the request dropped: turn errors into replies in the handler. Knows nothing of what is asked.

    With a `joint` handler the requests that it takes are answered together, with JOINT_CALLS calls under way at most:
    what arrives meanwhile is for the next. One that fails, or takes longer than `joint_seconds`, is forgotten, and each
    of its requests handled alone; so whatever belongs to a single request, its deadline above all, stays with that.
    """

    def __init__(
        self,
        consumer: BatchConsumer,
        replier: Replier,
        handler: RequestHandler,
        *,
        joint: JointHandler | None = None,
        max_concurrent: int = 256,
        drain_seconds: float = 10.0,
        joint_seconds: float = JOINT_SECONDS,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self._consumer = consumer
        self._replier = replier
        self._handler = handler
        self._joint = joint
        self._joint_seconds = joint_seconds
        self._slots = asyncio.Semaphore(max_concurrent)
        self._drain_seconds = drain_seconds
        self._metrics = metrics or MessagingMetrics()
        self._running: set[asyncio.Task[None]] = set()
        self._finished: list[tuple[Delivery, Envelope | None]] = []
        self._settling: asyncio.Task[None] | None = None
        self._answered: list[Delivery] = []
        self._acking: asyncio.Task[None] | None = None
        self._gathered: list[Delivery] = []
        self._joint_calls = 0

    async def run(self) -> None:
        """Answers until `stop()`; returns when everything taken is answered or `drain_seconds` are over."""
        try:
            async for batch in self._consumer.batches():
                for request in batch if self._joint is None else self._gather(self._joint, batch):
                    await self._begin(request)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    while self._running:
                        await asyncio.wait(self._running)
        finally:
            for task in self._running:
                task.cancel()
            if self._settling is not None:
                await asyncio.wait({self._settling})
            await self._settle()
            if self._acking is not None:
                await asyncio.wait({self._acking})

    async def stop(self) -> None:
        """Takes no more requests; what has arrived is answered."""
        await self._consumer.stop()

    def _gather(self, joint: JointHandler, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        """Sees to those that are answered together; gives the others."""
        alone = []
        for request in batch:
            if joint.takes(request) and _refusal(request) is None and self._has_leisure(request):
                self._gathered.append(request)
            else:
                alone.append(request)
        self._join(joint)
        return alone

    def _has_leisure(self, request: Delivery) -> bool:
        left = _seconds_left(request)
        return left is None or left > LEISURE * self._joint_seconds

    def _join(self, joint: JointHandler) -> None:
        while self._gathered and self._joint_calls < JOINT_CALLS:
            requests, self._gathered = self._gathered[:MOST_JOINED], self._gathered[MOST_JOINED:]
            self._joint_calls += 1
            self._start(self._serve_together(joint, requests))

    async def _serve_together(self, joint: JointHandler, requests: Sequence[Delivery]) -> None:
        replies: Sequence[Reply | None]
        try:
            async with asyncio.timeout(self._joint_seconds):
                replies = await joint.answer(requests)
        except Exception as error:
            logger.warning("requests not answered together", number=len(requests), error=type(error).__name__)
            replies = [None] * len(requests)
        finally:
            self._joint_calls -= 1
        self._join(joint)
        answered = zip(requests, replies, strict=True)
        self._finished += [(request, addressed(reply, request)) for request, reply in answered if reply is not None]
        await self._settle()
        for request, reply in zip(requests, replies, strict=True):
            if reply is None:
                await self._begin(request)

    async def _begin(self, request: Delivery) -> None:
        await self._slots.acquire()
        self._start(self._serve(request)).add_done_callback(lambda _: self._slots.release())

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _serve(self, request: Delivery) -> None:
        reply = await self._answer(request)
        self._finished.append((request, reply))
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def _answer(self, request: Delivery) -> Envelope | None:
        reply: Reply | None = None
        reason = _refusal(request)
        if reason is None:
            left = _seconds_left(request)
            try:
                async with asyncio.timeout(left) as deadline:
                    reply = await self._handler(request)
            except Exception:
                reason = "expired" if deadline.expired() else "failed"
                if reason == "failed":
                    logger.exception("a request failed", type=request.type, correlation_id=request.correlation_id)
        if reason is not None:
            self._metrics.requests_dropped.labels(reason).inc()
            logger.info("request dropped", reason=reason, type=request.type, correlation_id=request.correlation_id)
        return None if reply is None else addressed(reply, request)

    async def _settle(self) -> None:
        """Sends what has been answered in this turn of the event loop as one batch."""
        while self._finished:
            finished, self._finished = self._finished, []
            replies = [reply for _, reply in finished if reply is not None]
            if replies:
                await self._replier.reply(replies)
            self._answered += [request for request, _ in finished]
        if len(self._answered) >= ACKED_AT_ONCE:
            await self._ack()
        elif self._answered and (self._acking is None or self._acking.done()):
            self._acking = asyncio.create_task(self._ack_soon())

    async def _ack_soon(self) -> None:
        await asyncio.sleep(ACK_SECONDS)
        await self._ack()

    async def _ack(self) -> None:
        answered, self._answered = self._answered, []
        if answered:
            await self._consumer.ack(answered)


def _refusal(request: Delivery) -> str | None:
    """Why the request gets no answer at all."""
    if request.undecodable is not None:
        return "undecodable"
    if not request.reply_to:
        return "no_reply_to"
    if not is_allowed(request.reply_to):
        return "reply_to_refused"
    left = _seconds_left(request)
    return "expired" if left is not None and left <= 0 else None


def _seconds_left(request: Delivery) -> float | None:
    if request.expiration is None or not request.expiration.isdecimal():
        return None
    return request.received_at + int(request.expiration) / 1000 - time.monotonic()
