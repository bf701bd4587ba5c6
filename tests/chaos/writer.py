"""A client that sends commands at a steady rate, whatever happens, until every one is confirmed."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from shared.messaging.opening import open_connection
from tests.chaos.history import History
from tests.chaos.traffic import Wire

WINDOW = 10
CONFIRM_SECONDS = 10.0


class Writer:
    """A message without a confirm is sent again under the same id, as section 2 of the contract allows."""

    def __init__(self, amqp_url: str, messages: Sequence[Wire], history: History, *, per_second: float) -> None:
        self._amqp_url = amqp_url
        self._left = list(reversed(messages))
        self._history = history
        self._pause = WINDOW / per_second
        self._unconfirmed: list[Wire] = []
        self._reply_queue = f"reply.chaos-{uuid.uuid4()}"

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until there is nothing left; then confirms what is under way and reads its last replies."""
        while self._unconfirmed or (self._left and not stop.is_set()):
            with suppress(Exception):
                await self._session(stop)
            await asyncio.sleep(0.3)

    async def _session(self, stop: asyncio.Event) -> None:
        connection = await open_connection(self._amqp_url, timeout=5)
        try:
            async with asyncio.timeout(10):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                queue = await channel.declare_queue(
                    self._reply_queue, durable=True, arguments={"x-expires": 600_000, "x-queue-type": "classic"}
                )
                await queue.consume(self._on_outcome, no_ack=True)
                exchange = await channel.get_exchange("commands", ensure=False)
            while self._unconfirmed or (self._left and not stop.is_set()):
                await self._send_window(exchange)
                await asyncio.sleep(self._pause)
            await asyncio.sleep(3)
        finally:
            with suppress(Exception):
                async with asyncio.timeout(2):
                    await connection.close()

    async def _send_window(self, exchange: AbstractExchange) -> None:
        while self._left and len(self._unconfirmed) < WINDOW:
            self._unconfirmed.append(self._left.pop())
        window = list(self._unconfirmed)
        async with asyncio.timeout(CONFIRM_SECONDS):
            results = await asyncio.gather(*(self._publish(exchange, one) for one in window), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _publish(self, exchange: AbstractExchange, one: Wire) -> None:
        message = aio_pika.Message(
            one.body,
            type=one.type,
            message_id=one.message_id,
            correlation_id=one.message_id,
            reply_to=self._reply_queue,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=one.headers,
        )
        self._history.is_sent(one.message_id, one.type, one.key)
        await exchange.publish(message, routing_key=one.key, mandatory=True)
        self._history.is_confirmed(one.message_id)
        self._unconfirmed.remove(one)

    async def _on_outcome(self, message: AbstractIncomingMessage) -> None:
        self._history.has_outcome(json.loads(message.body))
