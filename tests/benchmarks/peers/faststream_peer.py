"""FastStream (RabbitBroker): the naive pipeline's work in its handlers."""

from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

from tests.benchmarks.peers.asking import measured
from tests.benchmarks.peers.role import Servers, commands_from_stdin, play
from tests.benchmarks.peers.store import AsyncStore, create_tables
from tests.benchmarks.peers.view import AsyncView, create_indexes, shown

PREFETCH = 32
COMMANDS = RabbitQueue("commands", queue_type=QueueType.QUORUM, durable=True)
PROJECTION = RabbitQueue("projection", queue_type=QueueType.QUORUM, durable=True, routing_key="user.#")
EVENTS = RabbitExchange("events", type=ExchangeType.TOPIC, durable=True)
QUERIES = RabbitQueue("queries", durable=True)


def prepare(servers: Servers) -> None:
    create_tables(servers.postgres)
    create_indexes(servers.mongo)
    uvloop.run(_declare(servers))


async def _declare(servers: Servers) -> None:
    async with RabbitBroker(servers.amqp) as broker:
        await broker.declare_queue(COMMANDS)
        queue = await broker.declare_queue(PROJECTION)
        await queue.bind(await broker.declare_exchange(EVENTS), "user.#")


async def publish(servers: Servers) -> None:
    async with RabbitBroker(servers.amqp) as broker:
        for command in commands_from_stdin():
            await broker.publish(
                command.body, COMMANDS, message_id=command.id, message_type=command.type, persist=True, mandatory=True
            )


async def command(servers: Servers) -> None:
    broker = _broker(servers)
    store = AsyncStore(servers.postgres)

    @broker.subscriber(COMMANDS, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(body: dict[str, Any], message: RabbitMessage) -> None:
        promised = await store.record(str(message.message_id), str(message.raw_message.type), body)
        if promised is None:
            return
        await broker.publish(
            promised.event,
            exchange=EVENTS,
            routing_key=f"user.{promised.event['type']}",
            message_id=promised.event["id"],
            message_type=promised.event["type"],
            persist=True,
        )
        await store.forget(promised.outbox_id)

    await FastStream(broker).run()


async def project(servers: Servers) -> None:
    broker = _broker(servers)
    view = AsyncView(servers.mongo)

    @broker.subscriber(PROJECTION, EVENTS, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(event: dict[str, Any]) -> None:
        await view.apply(event)

    await FastStream(broker).run()


async def serve(servers: Servers) -> None:
    broker = RabbitBroker(servers.amqp, logger=None)
    view = AsyncView(servers.mongo)

    @broker.subscriber(QUERIES)
    async def get_user_by_id(query: dict[str, Any]) -> dict[str, Any]:
        return shown(await view.find(query["user_id"]))

    await FastStream(broker).run()


async def ask(servers: Servers) -> None:
    async with RabbitBroker(servers.amqp, logger=None) as broker:

        async def one(user_id: str) -> None:
            answer = await broker.request({"user_id": user_id}, QUERIES, timeout=10)
            assert (await answer.decode())["status"] == "ok"

        await measured(one)


def _broker(servers: Servers) -> RabbitBroker:
    channel = Channel(prefetch_count=PREFETCH, on_return_raises=True)
    return RabbitBroker(servers.amqp, default_channel=channel, logger=None)


if __name__ == "__main__":
    play(
        {
            "prepare": prepare,
            "publish": lambda servers: uvloop.run(publish(servers)),
            "command": lambda servers: uvloop.run(command(servers)),
            "project": lambda servers: uvloop.run(project(servers)),
            "serve": lambda servers: uvloop.run(serve(servers)),
            "ask": lambda servers: uvloop.run(ask(servers)),
        }
    )
