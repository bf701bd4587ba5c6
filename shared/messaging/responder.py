"""Answers requests that come over the broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.ports import BatchConsumer, Replier
from shared.messaging.reply import Reply, addressed
from shared.messaging.reply_address import is_allowed

RequestHandler: TypeAlias = Callable[[Delivery], Awaitable[Reply | None]]
"""Answers one request (None: no answer).

Handlers of one batch start in the same turn of the event loop, so what they read can be coalesced.
"""

logger = structlog.stdlib.get_logger(__name__)


class Responder:
    """Runs a handler for every request, many at a time, sends its reply and then acknowledges.

    A request without an allowed `reply_to`, one that is undecodable, or one past its deadline (`expiration`, in ms from
    its arrival) is dropped and counted; a handler is cancelled at its request's deadline. An exception of the handler
    is logged and the request dropped: turn errors into replies in the handler. Knows nothing of what is asked.
    """

    def __init__(
        self,
        consumer: BatchConsumer,
        replier: Replier,
        handler: RequestHandler,
        *,
        max_concurrent: int = 256,
        drain_seconds: float = 10.0,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self._consumer = consumer
        self._replier = replier
        self._handler = handler
        self._slots = asyncio.Semaphore(max_concurrent)
        self._drain_seconds = drain_seconds
        self._metrics = metrics or MessagingMetrics()
        self._running: set[asyncio.Task[None]] = set()
        self._finished: list[tuple[Delivery, Envelope | None]] = []
        self._settling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answers until `stop()`; returns when everything taken is answered or `drain_seconds` are over."""
        try:
            async for batch in self._consumer.batches():
                for request in batch:
                    await self._slots.acquire()
                    task = asyncio.create_task(self._serve(request))
                    self._running.add(task)
                    task.add_done_callback(self._served)
            if self._running:
                await asyncio.wait(self._running, timeout=self._drain_seconds)
        finally:
            for task in self._running:
                task.cancel()
            if self._settling is not None:
                await asyncio.wait({self._settling})
            await self._settle()

    async def stop(self) -> None:
        """Takes no more requests; what has arrived is answered."""
        await self._consumer.stop()

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

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._slots.release()

    async def _settle(self) -> None:
        """Sends what has been answered in this turn of the event loop as one batch, then acknowledges it."""
        while self._finished:
            finished, self._finished = self._finished, []
            replies = [reply for _, reply in finished if reply is not None]
            if replies:
                await self._replier.reply(replies)
            await self._consumer.ack([request for request, _ in finished])


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
