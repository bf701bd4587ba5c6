"""The reference: what a competent team writes. aio-pika, the SQLAlchemy ORM, an outbox, a confirm for each event, an
upsert for each event, prefetch 32.
"""

import asyncio
import json

import aio_pika
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

from tests.benchmarks.peers.role import Servers, commands_from_stdin, play
from tests.benchmarks.peers.store import AsyncStore, create_tables
from tests.benchmarks.peers.view import AsyncView, create_indexes

PREFETCH = 32
WINDOW = 500


def prepare(servers: Servers) -> None:
    create_tables(servers.postgres)
    create_indexes(servers.mongo)
    uvloop.run(_declare(servers))


async def _declare(servers: Servers) -> None:
    connection, channel = await _channel(servers)
    async with connection:
        exchange = await channel.declare_exchange("events", aio_pika.ExchangeType.TOPIC, durable=True)
        for name in ("commands", "projection"):
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await (await channel.get_queue("projection")).bind(exchange, "user.#")


async def publish(servers: Servers) -> None:
    connection, channel = await _channel(servers)
    async with connection:
        messages = [
            aio_pika.Message(
                json.dumps(command.body).encode(),
                type=command.type,
                message_id=command.id,
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            for command in commands_from_stdin()
        ]
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            await asyncio.gather(*(channel.default_exchange.publish(each, "commands") for each in window))


async def command(servers: Servers) -> None:
    connection, channel = await _channel(servers)
    store = AsyncStore(servers.postgres)
    events = await channel.get_exchange("events")

    async def handle(message: AbstractIncomingMessage) -> None:
        async with message.process(requeue=True):
            assert message.message_id is not None
            assert message.type is not None
            promised = await store.record(message.message_id, message.type, json.loads(message.body))
            if promised is None:
                return
            event = aio_pika.Message(
                json.dumps(promised.event).encode(),
                type=promised.event["type"],
                message_id=promised.event["id"],
                content_type="application/cloudevents+json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await events.publish(event, f"user.{promised.event['type']}")
            await store.forget(promised.outbox_id)

    async with connection:
        await (await channel.get_queue("commands")).consume(handle)
        await asyncio.Future()


async def project(servers: Servers) -> None:
    connection, channel = await _channel(servers)
    view = AsyncView(servers.mongo)

    async def handle(message: AbstractIncomingMessage) -> None:
        async with message.process(requeue=True):
            await view.apply(json.loads(message.body))

    async with connection:
        await (await channel.get_queue("projection")).consume(handle)
        await asyncio.Future()


async def _channel(servers: Servers) -> tuple[AbstractRobustConnection, AbstractChannel]:
    connection = await aio_pika.connect_robust(servers.amqp)
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    await channel.set_qos(prefetch_count=PREFETCH)
    return connection, channel


if __name__ == "__main__":
    play(
        {
            "prepare": prepare,
            "publish": lambda servers: uvloop.run(publish(servers)),
            "command": lambda servers: uvloop.run(command(servers)),
            "project": lambda servers: uvloop.run(project(servers)),
        }
    )
