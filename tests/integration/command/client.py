"""A client of the service, with nothing but aio-pika."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from shared.messaging.opening import open_connection


def create(user_id: str, **fields: str) -> dict[str, str]:
    return {"user_id": user_id, "name": user_id.title(), "email": f"{user_id}@example.com"} | fields


class Client:
    """Sends commands; `outcomes` holds what came back, by correlation id (the message id unless given)."""

    connection: AbstractConnection
    channel: AbstractChannel
    reply_queue: AbstractQueue

    def __init__(self, url: str) -> None:
        self._url = url
        self.outcomes: dict[str, list[dict[str, Any]]] = {}
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self.connection = await open_connection(self._url)
        self.channel = await self.connection.channel(on_return_raises=True)
        self.reply_queue = await self.channel.declare_queue(f"reply.{uuid4()}", exclusive=True)
        await self.reply_queue.consume(self._on_reply, no_ack=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    async def purge(self, queues: Iterable[str]) -> None:
        for name in queues:
            await (await self.channel.get_queue(name, ensure=False)).purge()

    async def send(
        self,
        type_: str | None,
        body: Mapping[str, Any] | bytes,
        *,
        message_id: str | None = None,
        key: str | None = None,
        headers: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> str:
        """Returns the message id once the broker has confirmed."""
        id_ = message_id if message_id is not None else str(uuid4())
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = aio_pika.Message(
            raw,
            **{
                "type": type_,
                "message_id": id_,
                "correlation_id": id_,
                "reply_to": self.reply_queue.name,
                "content_type": "application/json",
                "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
                "headers": dict(headers or {}),
                **properties,
            },
        )
        routing_key = key or (str(body.get("user_id")) if isinstance(body, Mapping) else "none")
        commands = await self.channel.get_exchange("commands", ensure=False)
        await commands.publish(message, routing_key)
        return id_

    async def outcome(self, correlation_id: str, *, number: int = 1, timeout: float = 20.0) -> dict[str, Any]:
        """The `number`-th outcome that came with that correlation id."""
        async with asyncio.timeout(timeout), self._came:
            await self._came.wait_for(lambda: len(self.outcomes.get(correlation_id, [])) >= number)
        return self.outcomes[correlation_id][number - 1]

    async def command(self, type_: str, body: Mapping[str, Any] | bytes, **properties: Any) -> dict[str, Any]:
        """Sends a command and returns its outcome."""
        return await self.outcome(await self.send(type_, body, **properties))

    async def subscribe(self, exchange: str, key: str = "#") -> "Subscription":
        """What is published from now on."""
        queue = await self.channel.declare_queue(exclusive=True)
        await queue.bind(exchange, key)
        subscription = Subscription()
        await queue.consume(subscription.on_message, no_ack=True)
        return subscription

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        async with self._came:
            assert message.type == "CommandOutcome"
            self.outcomes.setdefault(message.correlation_id or "", []).append(json.loads(message.body))
            self._came.notify_all()


class Subscription:
    def __init__(self) -> None:
        self.messages: list[AbstractIncomingMessage] = []
        self._came = asyncio.Condition()

    async def take(self, count: int, timeout: float = 20.0) -> list[AbstractIncomingMessage]:
        """All that have come, once they are `count`."""
        async with asyncio.timeout(timeout), self._came:
            await self._came.wait_for(lambda: len(self.messages) >= count)
        return self.messages

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        async with self._came:
            self.messages.append(message)
            self._came.notify_all()


def code(outcome: Mapping[str, Any]) -> str:
    return str(outcome["error"]["code"]) if outcome["status"] == "rejected" else "accepted"
