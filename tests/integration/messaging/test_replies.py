"""Replies: where they may go, what becomes of those that can't, and that the connection lives through all of it."""

import asyncio
import random
from base64 import b64encode
from dataclasses import replace

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractIncomingMessage
from prometheus_client import CollectorRegistry

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.opening import open_connection
from shared.messaging.replier import AmqpReplier
from shared.messaging.reply_address import direct_reply_node, is_allowed
from tests.integration.messaging.stages import PATIENCE, RabbitStage, message, numbers, take

PREFIX = "amq.rabbitmq.reply-to."


def reply(address: str, number: int = 1) -> Envelope:
    return replace(message(number, address), persistent=False, correlation_id=f"c-{number}")


async def until_well(replier: AmqpReplier) -> None:
    async with asyncio.timeout(PATIENCE):
        while replier.trouble is not None:
            await asyncio.sleep(0.02)


async def a_real_token(rabbit: RabbitStage) -> str:
    await rabbit.declare_queue("tokens", "classic")
    async with await open_connection(rabbit.url) as connection, connection.channel() as channel:
        direct = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await direct.consume(_ignore, no_ack=True)
        asking = aio_pika.Message(b"", reply_to="amq.rabbitmq.reply-to")
        await channel.default_exchange.publish(asking, "tokens")
        queue = await channel.get_queue("tokens")
        got = await queue.get(no_ack=True)
        assert got.reply_to is not None
        return got.reply_to


async def _ignore(_: AbstractIncomingMessage) -> None:
    return None


async def test_replies_arrive_in_order(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("reply.alice", "classic")
    async with (
        rabbit.connection("reply") as connection,
        AmqpReplier(connection) as replier,
        rabbit.consumer(["reply.alice"]) as consumer,
    ):
        await until_well(replier)
        await replier.reply([reply("reply.alice", number) for number in range(100)])
        arrived = await take(consumer, 100)

    assert numbers(arrived) == list(range(100))
    assert arrived[7].correlation_id == "c-7"


async def test_a_reply_to_a_queue_that_is_gone_is_counted_and_harms_no_other(rabbit: RabbitStage) -> None:
    registry = CollectorRegistry()
    await rabbit.declare_queue("reply.alice", "classic")
    async with (
        rabbit.connection("reply") as connection,
        AmqpReplier(connection, metrics=MessagingMetrics(registry)) as replier,
        rabbit.consumer(["reply.alice"]) as consumer,
    ):
        await until_well(replier)
        await replier.reply([reply("reply.gone"), reply("reply.alice", 2)])
        assert numbers(await take(consumer, 1)) == [2]
        assert replier.trouble is None
        async with asyncio.timeout(PATIENCE):
            while registry.get_sample_value("messaging_replies_dropped_total", {"reason": "unroutable"}) != 1:
                await asyncio.sleep(0.02)


async def test_without_a_connection_replies_are_dropped_and_counted() -> None:
    registry = CollectorRegistry()
    nobody = SupervisedConnection("amqp://admin@127.0.0.1:1/none", name="nobody")
    async with nobody, AmqpReplier(nobody, metrics=MessagingMetrics(registry)) as replier:
        await replier.reply([reply("reply.alice"), reply("reply.bob")])

    assert registry.get_sample_value("messaging_replies_dropped_total", {"reason": "disconnected"}) == 2


async def test_a_direct_reply_that_arrives_is_not_counted_as_dropped(rabbit: RabbitStage) -> None:
    registry = CollectorRegistry()
    arrived = asyncio.Event()

    async def on_reply(_: AbstractIncomingMessage) -> None:
        arrived.set()

    await rabbit.declare_queue("requests", "classic")
    async with (
        await open_connection(rabbit.url) as asker,
        asker.channel() as channel,
        rabbit.connection("reply") as connection,
        AmqpReplier(connection, metrics=MessagingMetrics(registry)) as replier,
        rabbit.consumer(["requests"]) as consumer,
    ):
        await until_well(replier)
        await (await channel.get_queue(PREFIX[:-1], ensure=False)).consume(on_reply, no_ack=True)
        await channel.default_exchange.publish(aio_pika.Message(b"", reply_to=PREFIX[:-1]), "requests")
        [request] = await take(consumer, 1)
        assert request.reply_to is not None
        await replier.reply([reply(request.reply_to), reply("reply.gone")])
        async with asyncio.timeout(PATIENCE):
            await arrived.wait()
            while not registry.get_sample_value("messaging_replies_dropped_total", {"reason": "unroutable"}):
                await asyncio.sleep(0.02)
        assert registry.get_sample_value("messaging_replies_dropped_total", {"reason": "unroutable"}) == 1


async def test_a_reply_that_can_not_be_encoded_is_dropped_alone(rabbit: RabbitStage) -> None:
    registry = CollectorRegistry()
    await rabbit.declare_queue("reply.alice", "classic")
    async with (
        rabbit.connection("reply") as connection,
        AmqpReplier(connection, metrics=MessagingMetrics(registry)) as replier,
        rabbit.consumer(["reply.alice"]) as consumer,
    ):
        await until_well(replier)
        await replier.reply([replace(reply("reply.alice"), correlation_id="x" * 300), reply("reply.alice", 2)])
        assert numbers(await take(consumer, 1)) == [2]

    assert registry.get_sample_value("messaging_replies_dropped_total", {"reason": "unencodable"}) == 1
    assert registry.get_sample_value("messaging_replied_total") == 1


async def test_malformed_tokens_that_the_broker_chokes_on_are_refused(rabbit: RabbitStage) -> None:
    token = await a_real_token(rabbit)
    assert is_allowed(token)
    process_id, key = token.removeprefix(PREFIX).split(".")
    malformed = [
        f"{PREFIX}x.y",
        f"{PREFIX}!!!.{key}",
        f"{PREFIX}{b64encode(b'hello').decode()}.{key}",
        f"{PREFIX}{process_id[:-4]}.{key}",
        f"{PREFIX}{b64encode(b'junk').decode()}{process_id}.{key}",
        f"{PREFIX}\u00e9.{key}",
    ]
    killed = 0
    for address in malformed:
        connection = await aiormq.connect(rabbit.url)
        channel = await connection.channel(publisher_confirms=False)
        await channel.basic_publish(b"", routing_key=address)
        await asyncio.sleep(0.2)
        killed += not connection.is_opened
        assert not is_allowed(address)
        await connection.close()

    # From 4.2 on the broker survives them all.
    assert killed in (0, len(malformed))


async def test_no_token_makes_the_broker_hang_up_on_a_replier(rabbit: RabbitStage) -> None:
    """Well-formed process ids that nobody has, of this broker's node and of others: random numbers in every field."""
    chance = random.Random(7)
    token = await a_real_token(rabbit)
    ours = direct_reply_node(token)
    assert ours is not None
    registry = CollectorRegistry()
    await rabbit.declare_queue("reply.alice", "classic")
    addresses = [token]
    for number in range(600):
        node = ours if number % 2 else b"reply@%d" % chance.randrange(10 ** chance.randint(1, 9))
        kind, size = chance.choice([(b"X", 12), (b"g", 9)])
        name = chance.choice([b"v" + len(node).to_bytes(2), b"w" + len(node).to_bytes(1)]) + node
        process_id = b64encode(b"\x83" + kind + name + chance.randbytes(size)).decode()
        addresses.append(f"{PREFIX}{process_id}.{token.rsplit('.', 1)[1]}")
    assert all(is_allowed(address) for address in addresses)
    async with (
        rabbit.connection("reply") as connection,
        AmqpReplier(connection, metrics=MessagingMetrics(registry)) as replier,
        rabbit.consumer(["reply.alice"]) as consumer,
    ):
        await until_well(replier)
        before = await connection.opened()
        await replier.reply([*(reply(address) for address in addresses), reply("reply.alice", 2)])
        assert numbers(await take(consumer, 1)) == [2]
        await asyncio.sleep(0.3)
        assert await connection.opened() is before
        if connection.hangs_up_on_unknown_nodes:
            assert registry.get_sample_value("messaging_replies_dropped_total", {"reason": "unknown_node"}) == 300


@pytest.mark.parametrize("address", ["queries", "commands.0", "amq.rabbitmq.reply-to", "reply.", "dead-letters"])
def test_other_queues_are_refused(address: str) -> None:
    assert not is_allowed(address)
