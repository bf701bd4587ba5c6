"""A broker to run the conformance suite on: RabbitMQ with the real adapters, or the fake one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

from pamqp.common import FieldTable

from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.management_api import ManagementApi
from shared.messaging.opening import open_connection
from shared.messaging.ports import BatchConsumer, Publisher
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.transport_path import TransportPath
from tests.support.fake_broker import FakeBroker

PATIENCE = 20.0


class Stage(Protocol):
    async def declare_queue(self, name: str, queue_type: str = "quorum") -> None: ...

    async def delete_queue(self, name: str) -> None: ...

    async def drop_connections(self) -> None:
        """Cuts every connection of the adapters, as a broker restart would."""

    async def waiting(self, queue: str) -> int:
        """How many messages are ready in a queue."""

    def publisher(self, **options: Any) -> AbstractAsyncContextManager[Publisher]: ...

    def consumer(self, queues: Sequence[str], **options: Any) -> AbstractAsyncContextManager[BatchConsumer]: ...


class FakeStage:
    def __init__(self) -> None:
        self.broker = FakeBroker()

    async def declare_queue(self, name: str, queue_type: str = "quorum") -> None:
        self.broker.declare_queue(name)

    async def delete_queue(self, name: str) -> None:
        self.broker.delete_queue(name)

    async def drop_connections(self) -> None:
        self.broker.drop_connections()

    async def waiting(self, queue: str) -> int:
        return len(self.broker.messages(queue))

    @asynccontextmanager
    async def publisher(self, **options: Any) -> AsyncIterator[Publisher]:
        yield self.broker.publisher()

    def consumer(self, queues: Sequence[str], **options: Any) -> AbstractAsyncContextManager[BatchConsumer]:
        return self.broker.consumer(queues, **options)


class RabbitStage:
    """A vhost of its own on a real broker."""

    def __init__(self, amqp_url: str, api: ManagementApi, vhost: str, path: TransportPath) -> None:
        self.url = amqp_url.rstrip("/") + "/" + vhost
        self.vhost = vhost
        self.api = api
        self.path = path

    async def declare_queue(self, name: str, queue_type: str = "quorum") -> None:
        arguments: FieldTable = {"x-queue-type": queue_type}
        async with await open_connection(self.url) as connection, connection.channel() as channel:
            await channel.declare_queue(name, durable=True, arguments=arguments)

    async def delete_queue(self, name: str) -> None:
        async with await open_connection(self.url) as connection, connection.channel() as channel:
            await channel.queue_delete(name)

    async def bind_everything(self, queue: str, exchange: str) -> None:
        """Makes a topic exchange of which the queue gets everything."""
        async with await open_connection(self.url) as connection, connection.channel() as channel:
            await channel.declare_exchange(exchange, "topic", durable=True)
            await (await channel.get_queue(queue)).bind(exchange, "#")

    async def drop_connections(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (names := [connection["name"] for connection in await self._connections()]):
                await asyncio.sleep(0.1)
        for name in names:
            await self.api.delete("connections", name)

    async def waiting(self, queue: str) -> int:
        async with await open_connection(self.url) as connection, connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

    def connection(self, name: str = "test", **options: Any) -> SupervisedConnection:
        return SupervisedConnection(self.url, name=name, path=self.path, **options)

    @asynccontextmanager
    async def publisher(self, **options: Any) -> AsyncIterator[AmqpPublisher]:
        async with self.connection("publish") as connection, AmqpPublisher(connection, **options) as publisher:
            yield publisher

    @asynccontextmanager
    async def consumer(self, queues: Sequence[str], **options: Any) -> AsyncIterator[AmqpBatchConsumer]:
        async with (
            self.connection("consume") as connection,
            AmqpBatchConsumer(connection, queues, **options) as consumer,
        ):
            yield consumer

    async def _connections(self) -> list[dict[str, Any]]:
        connections: list[dict[str, Any]] = await self.api.get("vhosts", self.vhost, "connections")
        return connections


@asynccontextmanager
async def rabbit_stage(
    amqp_url: str, api_url: str, path: TransportPath = TransportPath.FAST
) -> AsyncIterator[RabbitStage]:
    vhost = f"messaging-{uuid4().hex[:12]}"
    async with ManagementApi(api_url) as api:
        await api.put("vhosts", vhost, body={})
        try:
            yield RabbitStage(amqp_url, api, vhost, path)
        finally:
            await api.delete("vhosts", vhost)


def message(number: int, queue: str = "q", **options: Any) -> Envelope:
    return Envelope(
        exchange="", routing_key=queue, type="Numbered", body=b"%d" % number, message_id=f"m-{number}", **options
    )


def messages(count: int, queue: str = "q") -> list[Envelope]:
    return [message(number, queue) for number in range(count)]


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    return [int(delivery.body) for delivery in deliveries]


async def take(consumer: BatchConsumer, count: int, *, ack: bool = True, seconds: float = PATIENCE) -> list[Delivery]:
    """The next `count` deliveries (or a few more, when the last batch has them)."""
    taken: list[Delivery] = []
    async with asyncio.timeout(seconds):
        async for batch in consumer.batches():
            taken.extend(batch)
            if ack:
                await consumer.ack(batch)
            if len(taken) >= count:
                break
    return taken


async def until_emptied(stage: Stage, queue: str = "q") -> None:
    """Waits until nothing is ready; a broker applies acknowledgements a little later."""
    async with asyncio.timeout(PATIENCE):
        while await stage.waiting(queue):
            await asyncio.sleep(0.1)
