"""Asks over RabbitMQ and waits for the answer (direct reply-to)."""

import asyncio
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from shared.messaging.broker_errors import unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.frames import publish_frames
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.reply_address import DIRECT_REPLY_TO
from shared.messaging.supervised_channel import SupervisedChannel

CONSUMER: Final = "answers"


class RpcError(Exception):
    """No answer. What was asked may have been done all the same, unless it says otherwise."""


class RpcUnroutableError(RpcError):
    """Nobody is there to ask: the broker returned the request. It was not received."""


class RpcTimeoutError(RpcError):
    """No answer in time."""


class RpcConnectionLostError(RpcError):
    """The connection was lost while waiting, or could not be had in time."""


class RpcClient:
    """Many calls in flight on one channel.

    `async with RpcClient(connection) as rpc: answer = await rpc.call(envelope, timeout=5)`.
    <https://www.rabbitmq.com/docs/direct-reply-to>
    """

    def __init__(self, connection: SupervisedConnection, *, metrics: MessagingMetrics | None = None) -> None:
        self._metrics = metrics or MessagingMetrics()
        self._waiting: dict[str, asyncio.Future[Delivery]] = {}
        self._name, self._numbers = uuid4().hex, count(1)
        self._channel = SupervisedChannel(connection, self, set_up=_listen, lost=self._lost)

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.__aexit__(kind, error, trace)

    async def call(self, request: Envelope, *, timeout: float, expires: bool = True) -> Delivery:
        """Sends the request and returns its reply.

        `timeout` is in seconds; unless `expires` is false or the request has an `expiration_ms` of its own, the request
        expires in its queue when the time is over. `reply_to` is set here, and so is `correlation_id` when the request
        has none.

        Raises RpcUnroutableError, RpcTimeoutError, RpcConnectionLostError; ValueError for a request that can't be
        encoded, or whose `correlation_id` is in use.
        """
        outcome, deadline = "failed", asyncio.get_running_loop().time() + timeout
        correlation_id = request.correlation_id or f"{self._name}-{next(self._numbers)}"
        if correlation_id in self._waiting:
            raise ValueError(f"correlation id {correlation_id} is in use")
        expiration = max(1, int(timeout * 1000)) if expires else None
        request = replace(
            request,
            reply_to=DIRECT_REPLY_TO,
            correlation_id=correlation_id,
            expiration_ms=expiration if request.expiration_ms is None else request.expiration_ms,
        )
        answer: asyncio.Future[Delivery] | None = None
        try:
            channel = self._channel.current
            if channel is None or not channel.is_writable:
                async with asyncio.timeout_at(deadline):
                    channel = await self._channel.opened()
                    await channel.writable()
            frames = publish_frames(channel.number, request, mandatory=True, frame_max=channel.frame_max)
            channel.write(frames)
            if not self._waiting:  # else it may go out together with others of this turn
                channel.flush()
            answer = self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
            delivery = await _by(deadline, answer)
            outcome = "answered"
            return delivery
        except TimeoutError:
            outcome = "timeout"
            if answer is None:
                raise RpcConnectionLostError(self.trouble or "no connection to the broker in time") from None
            raise RpcTimeoutError(f"no answer to {request.type} within {timeout:g} s") from None
        except ConnectionError as error:
            raise RpcConnectionLostError(str(error)) from error
        finally:
            self._waiting.pop(correlation_id, None)
            self._metrics.rpc_calls.labels(outcome).inc()

    @property
    def trouble(self) -> str | None:
        """Why it can't ask right now; None when it can."""
        return self._channel.trouble

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            answer = self._waiting.get(delivery.correlation_id or "")
            if answer is not None and not answer.done():
                answer.set_result(delivery)

    def on_return(self, message: Delivery) -> None:
        answer = self._waiting.get(message.correlation_id or "")
        if answer is not None and not answer.done():
            where = f"exchange {message.exchange!r} with routing key {message.routing_key!r}"
            answer.set_exception(RpcUnroutableError(f"nobody receives what is sent to {where}"))

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """The answer says more than a confirm."""

    def on_cancel(self, consumer_tag: str) -> None:
        """The queue of direct replies lives as long as the channel."""

    def _lost(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(RpcConnectionLostError("the connection to the broker was lost"))


async def _by(deadline: float, answer: "asyncio.Future[Delivery]") -> Delivery:
    """As within `asyncio.timeout_at`, for a bare future: at a tenth of the cost. Raises TimeoutError."""
    timer = asyncio.get_running_loop().call_at(deadline, _give_up, answer)
    try:
        return await answer
    finally:
        timer.cancel()


def _give_up(answer: "asyncio.Future[Delivery]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


async def _listen(channel: FrameChannel) -> None:
    await unless_lost(channel.consume(DIRECT_REPLY_TO, consumer_tag=CONSUMER, no_ack=True))
