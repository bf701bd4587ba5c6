"""Asks queries as any AMQP client would, many at a time, on aio-pika alone."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from shared.messaging.opening import open_connection


class Asker:
    """`async with Asker(url) as asker: answer = await asker.ask("GetUserById", user_id="alice")`."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    async def __aenter__(self) -> "Asker":
        self._connection = await open_connection(self._amqp_url, timeout=5)
        self._channel = await self._connection.channel(publisher_confirms=False)
        queue = await self._channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await queue.consume(self._on_answer, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        await self._connection.close()

    async def _on_answer(self, message: AbstractIncomingMessage) -> None:
        future = self._waiting.pop(message.correlation_id or "", None)
        if future is not None and not future.done():
            future.set_result(json.loads(message.body) | {"type": message.type})

    async def ask(
        self, query: str, /, *, timeout: float = 10.0, headers: Mapping[str, Any] | None = None, **body: Any
    ) -> dict[str, Any]:
        """The answer as it came, with its AMQP `type` added. Raises TimeoutError."""
        assert self._channel is not None
        correlation_id = str(uuid.uuid4())
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = future
        exchange = await self._channel.get_exchange("queries", ensure=False)
        await exchange.publish(
            aio_pika.Message(
                json.dumps(body).encode(),
                type=query,
                correlation_id=correlation_id,
                reply_to="amq.rabbitmq.reply-to",
                content_type="application/json",
                expiration=timeout,
                headers=dict(headers or {}),
            ),
            routing_key="query",
        )
        async with asyncio.timeout(timeout):
            return await future

    async def all_users(self, page: int = 500) -> dict[str, dict[str, Any]]:
        """Every user of the read model, by id, through pages of `GetAllUsers`."""
        users: dict[str, dict[str, Any]] = {}
        cursor: dict[str, Any] = {}
        while True:
            answer = await self.ask("GetAllUsers", limit=page, **cursor)
            assert answer["status"] == "ok", answer
            for user in answer["data"]["items"]:
                assert user["user_id"] not in users, "a user on two pages"
                users[user["user_id"]] = user
            if not answer["data"].get("next_cursor"):
                return users
            cursor = {"cursor": answer["data"]["next_cursor"]}
