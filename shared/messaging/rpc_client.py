"""Asks over RabbitMQ and waits for the answer (direct reply-to)."""

from types import TracebackType
from typing import Self

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.metrics import MessagingMetrics


class RpcError(Exception):
    """No answer. What was asked may have been done all the same, unless it says otherwise."""


class RpcUnroutableError(RpcError):
    """Nobody is there to ask: the broker returned the request. It was not received."""


class RpcTimeoutError(RpcError):
    """No answer in time."""


class RpcConnectionLostError(RpcError):
    """The connection was lost while waiting, or could not be had in time."""


class RpcClient:
    """Many calls in flight on one channel:

    `async with RpcClient(connection) as rpc: answer = await rpc.call(envelope, timeout=5)`.

    <https://www.rabbitmq.com/docs/direct-reply-to>
    """

    def __init__(self, connection: SupervisedConnection, *, metrics: MessagingMetrics | None = None) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def call(self, request: Envelope, *, timeout: float, expires: bool = True) -> Delivery:
        """Sends the request and returns its reply.

        `timeout` is in seconds; unless `expires` is false or the request has an `expiration_ms` of its own, the request
        expires in its queue when the time is over. `reply_to` is set here, and so is `correlation_id` when the request
        has none.

        Raises RpcUnroutableError, RpcTimeoutError, RpcConnectionLostError; ValueError for a request that can't be
        encoded.
        """
        raise NotImplementedError

    @property
    def trouble(self) -> str | None:
        """Why it can't ask right now; None when it can."""
        raise NotImplementedError
