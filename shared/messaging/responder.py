"""Answers requests that come over the broker."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from shared.messaging.envelope import Delivery
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.ports import BatchConsumer, Replier
from shared.messaging.reply import Reply

RequestHandler: TypeAlias = Callable[[Delivery], Awaitable[Reply | None]]
"""Answers one request (None:

no answer). Handlers of one batch start in the same turn of the event loop, so what they read can be coalesced.
"""


class Responder:
    """Runs a handler for every request, many at a time, sends its reply and then acknowledges.

    A request without an allowed `reply_to`, or past its deadline (`expiration`, in ms from its arrival), is dropped and
    counted; a handler is cancelled at its request's deadline. An exception of the handler is logged and the request
    dropped: turn errors into replies in the handler. Knows nothing of what is asked.
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
    ) -> None: ...

    async def run(self) -> None:
        """Answers until `stop()`; returns when everything taken is answered or `drain_seconds` are over."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Takes no more requests."""
        raise NotImplementedError
