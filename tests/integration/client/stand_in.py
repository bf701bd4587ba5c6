"""Takes the place of both services: replies to commands and queries as a test tells it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from shared.messaging.opening import open_connection
from shared.messaging.topology import EVENTS, QUERIES, commands_queues

Reply = dict[str, Any] | None


class StandIn:
    """`on_command` and `on_query` make the reply to a message, None for none. All that has come is in `received`."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self.received: list[AbstractIncomingMessage] = []
        self.on_command: Callable[[AbstractIncomingMessage], Reply] = accepted
        self.on_query: Callable[[AbstractIncomingMessage], Reply] = lambda _message: None

    async def __aenter__(self) -> Self:
        self._connection = await open_connection(self._amqp_url)
        self._channel = await self._connection.channel()
        for name in (*commands_queues(), QUERIES):
            queue = await self._channel.get_queue(name, ensure=False)
            await queue.purge()
            await queue.consume(self._handle, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        await self._connection.close()

    async def until_received(self, number: int, timeout: float = 10.0) -> None:
        async with asyncio.timeout(timeout):
            while len(self.received) < number:
                await asyncio.sleep(0.01)

    async def publish_event(self, event: dict[str, Any]) -> None:
        assert self._channel is not None
        exchange = await self._channel.get_exchange(EVENTS, ensure=False)
        message = aio_pika.Message(json.dumps(event).encode(), type=event["type"])
        await exchange.publish(message, routing_key=f"{event['aggregatetype']}.{event['type']}", mandatory=False)

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        assert self._channel is not None
        self.received.append(message)
        is_query = message.exchange == QUERIES
        reply = self.on_query(message) if is_query else self.on_command(message)
        if reply is None or not message.reply_to:
            return
        await self._channel.default_exchange.publish(
            aio_pika.Message(
                json.dumps(reply).encode(),
                type="QueryAnswer" if is_query else "CommandOutcome",
                correlation_id=message.correlation_id,
            ),
            routing_key=message.reply_to,
            mandatory=False,
        )


def accepted(message: AbstractIncomingMessage) -> Reply:
    return {
        "status": "accepted",
        "command_id": message.message_id,
        "aggregate_id": message.routing_key,
        "version": 1,
        "consistency_token": f"user/{message.routing_key}@1",
    }


def rejected(message: AbstractIncomingMessage) -> Reply:
    error = {"code": "email_taken", "message": "it is another user's"}
    return {"status": "rejected", "command_id": message.message_id, "error": error}


def found(message: AbstractIncomingMessage) -> Reply:
    time = "2026-01-01T00:00:00Z"
    user_id = json.loads(message.body)["user_id"]
    user = {"user_id": user_id, "name": "A", "email": "a@example.com", "status": "active", "version": 1}
    return {"status": "ok", "data": user | {"created_at": time, "updated_at": time}, "as_of": {"version": 1}}


def user_created(user_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "0192f000-0000-7000-8000-00000000000a",
        "source": "/command-service",
        "type": "UserCreated",
        "subject": f"user/{user_id}",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "aggregatetype": "user",
        "aggregateid": user_id,
        "aggregateversion": 1,
        "schemaversion": 1,
        "position": 42,
        "data": {"user_id": user_id, "name": "A", "email": "a@example.com"},
    }
