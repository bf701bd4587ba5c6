"""Commands of one aggregate stay in one queue, whatever becomes of the broker: else they overtake each other."""

import asyncio
from collections.abc import Iterator
from functools import partial

import aio_pika
import pytest
from yarl import URL

from deploy.native.stack import NativeStack
from shared.messaging.opening import open_connection
from shared.messaging.setup import set_up_broker
from shared.messaging.topology import COMMANDS, commands_queues, topology
from tests.support.stack import Stack, servers_admin_urls

KEYS = [f"user-{number}" for number in range(100)]
DEADLINE = 30.0


@pytest.fixture
def broker(servers: NativeStack) -> Iterator[Stack]:
    yield Stack(servers)
    servers.start("rabbitmq")


async def test_a_restart_of_the_broker_moves_no_aggregate_to_another_queue(broker: Stack) -> None:
    admin = servers_admin_urls(broker.native)
    url = str(URL(admin.amqp).with_path("/partitions"))
    await set_up_broker(topology(), amqp_url=url, api_url=admin.rabbitmq_api, passwords={})
    before = await queues_of_keys(url)

    for end in (broker.stop, broker.kill):
        await asyncio.to_thread(end, "rabbitmq")
        await asyncio.to_thread(broker.start, "rabbitmq")
        assert await queues_of_keys(url) == before
    assert len(set(before.values())) == len(commands_queues())


async def queues_of_keys(url: str) -> dict[str, str]:
    """Sends a command to each, and looks where it comes out."""
    found: dict[str, str] = {}
    arrived = asyncio.Event()
    async with asyncio.timeout(DEADLINE), await open_connection(url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS, ensure=False)
        for key in KEYS:
            await exchange.publish(aio_pika.Message(b"{}"), routing_key=key)

        async def take(name: str, message: aio_pika.abc.AbstractIncomingMessage) -> None:
            found[message.routing_key or ""] = name
            if len(found) == len(KEYS):
                arrived.set()

        for name in commands_queues():
            queue = await channel.get_queue(name, ensure=False)
            await queue.consume(partial(take, name), no_ack=True)
        await arrived.wait()
    return found
