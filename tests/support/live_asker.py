"""Asks live queries as any AMQP client would, on aio-pika alone."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.messaging.opening import open_connection


@dataclass(frozen=True)
class Heard:
    """A message that came to the reply address."""

    type: str
    headers: Mapping[str, Any]
    body: dict[str, Any]

    @property
    def version(self) -> int:
        """Of the user in it; 0 where there is none."""
        return int(self.body["data"]["version"]) if self.body["status"] == "ok" else 0

    @property
    def subscription(self) -> str:
        return str(self.headers["subscription-id"])

    @property
    def token(self) -> str:
        return str(self.headers["resume-token"])


@dataclass
class Live:
    """What came for one live query, in the order in which it came."""

    correlation_id: str
    heard: "asyncio.Queue[Heard]" = field(default_factory=asyncio.Queue)

    async def next(self, timeout: float = 15.0) -> Heard:
        """Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self.heard.get()

    async def until_version(self, version: int, timeout: float = 30.0) -> list[int]:
        """The versions that came up to this one."""
        versions: list[int] = []
        async with asyncio.timeout(timeout):
            while not versions or versions[-1] < version:
                heard = await self.heard.get()
                if heard.type in ("QueryAnswer", "QueryUpdate"):
                    versions.append(heard.version)
        return versions


class LiveAsker:
    """`async with LiveAsker(url) as asker: live = await asker.subscribe("GetUserById", user_id="alice")`.

    `direct` listens at a direct reply-to address, else at a queue `reply.<anything>` of its own.
    """

    def __init__(self, amqp_url: str, *, direct: bool = False) -> None:
        self._amqp_url = amqp_url
        self._direct = direct
        self._lives: dict[str, Live] = {}
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self.reply_to = "amq.rabbitmq.reply-to" if direct else f"reply.{uuid.uuid4()}"

    async def __aenter__(self) -> "LiveAsker":
        self._connection = await open_connection(self._amqp_url, timeout=5)
        self._channel = await self._connection.channel(publisher_confirms=False)
        if self._direct:
            queue = await self._channel.get_queue(self.reply_to, ensure=False)
        else:
            queue = await self._channel.declare_queue(self.reply_to, durable=True, auto_delete=True)
        await queue.consume(self._on_message, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()

    async def vanish(self) -> None:
        """Goes away without a word."""
        assert self._connection is not None
        await self._connection.close()

    async def subscribe(self, query: str, /, headers: Mapping[str, Any] | None = None, **body: Any) -> Live:
        live = Live(str(uuid.uuid4()))
        self._lives[live.correlation_id] = live
        await self._ask(query, {"subscribe": True, **(headers or {})}, live.correlation_id, body)
        return live

    async def tell(self, query: str, live: Live, subscription: str) -> None:
        """`RenewSubscription` or `CancelSubscription`; the answer comes where the updates do."""
        await self._ask(query, {}, live.correlation_id, {"subscription_id": subscription})

    async def _ask(self, query: str, headers: Mapping[str, Any], correlation_id: str, body: dict[str, Any]) -> None:
        assert self._channel is not None
        exchange = await self._channel.get_exchange("queries", ensure=False)
        message = aio_pika.Message(
            json.dumps(body).encode(),
            type=query,
            correlation_id=correlation_id,
            reply_to=self.reply_to,
            content_type="application/json",
            headers=dict(headers),
        )
        await exchange.publish(message, routing_key="query")

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        heard = Heard(message.type or "", message.headers, json.loads(message.body))
        self._lives[message.correlation_id or ""].heard.put_nowait(heard)
