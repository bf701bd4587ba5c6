"""What the broker says between messages, and what becomes of us when it can't keep up or falls silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pamqp import commands, frame

from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.publisher import AmqpPublisher
from tests.integration.messaging.stages import PATIENCE, RabbitStage, message, messages, numbers, take
from tests.support.frame_proxy import FrameProxy

FLOW_OK = (20, 21)
PUBLISH = (60, 40)
SILENT_SECONDS = 0.5
FIRST_CHANNEL = 1


@asynccontextmanager
async def through(rabbit: RabbitStage, proxy: FrameProxy) -> AsyncIterator[AmqpPublisher]:
    async with (
        SupervisedConnection(proxy.url, name="through a proxy", path=rabbit.path) as connection,
        AmqpPublisher(connection, timeout=PATIENCE) as publisher,
    ):
        yield publisher


async def test_channel_flow_stops_publishing_until_it_is_taken_back(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    # RabbitMQ has not used channel.flow for years and doesn't know the answer any more.
    async with FrameProxy(rabbit.url, secret=frozenset({FLOW_OK})) as proxy, through(rabbit, proxy) as publisher:
        assert await publisher.publish([message(0)]) == [None]

        proxy.say(frame.marshal(commands.Channel.Flow(active=False), FIRST_CHANNEL))
        await until_heard(proxy, FLOW_OK)
        publishing = asyncio.create_task(publisher.publish(messages(10)))
        await asyncio.sleep(SILENT_SECONDS)
        assert proxy.heard == [FLOW_OK]
        assert publisher.trouble is None

        proxy.say(frame.marshal(commands.Channel.Flow(active=True), FIRST_CHANNEL))
        assert await publishing == [None] * 10
        assert proxy.heard == [FLOW_OK] + [PUBLISH] * 10


async def test_a_blocked_connection_is_trouble_and_publishes_when_it_is_unblocked(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with FrameProxy(rabbit.url) as proxy, through(rabbit, proxy) as publisher:
        assert await publisher.publish([message(0)]) == [None]

        proxy.say(frame.marshal(commands.Connection.Blocked(reason="low on memory"), 0))
        async with asyncio.timeout(PATIENCE):
            while publisher.trouble is None:
                await asyncio.sleep(0.01)
        assert "blocks publishers" in publisher.trouble
        publishing = asyncio.create_task(publisher.publish(messages(10)))
        await asyncio.sleep(SILENT_SECONDS)
        assert PUBLISH not in proxy.heard

        proxy.say(frame.marshal(commands.Connection.Unblocked(), 0))
        assert await publishing == [None] * 10
        assert publisher.trouble is None


async def test_a_broker_that_does_not_keep_up_is_waited_for_and_memory_stays_bounded(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    large = [replace(message(number), body=b"x" * 100_000) for number in range(400)]
    async with FrameProxy(rabbit.url) as proxy, through(rabbit, proxy) as publisher:
        assert await publisher.publish([message(0)]) == [None]

        proxy.stop_reading()
        publishing = [asyncio.create_task(publisher.publish(large)) for _ in range(3)]
        await asyncio.sleep(SILENT_SECONDS)
        assert not any(task.done() for task in publishing)
        channel = await publisher._channel.opened()
        # Each of the three has one lot of hundred messages on its way, of 120 MB in all that are to be published.
        assert channel.pending_bytes <= 3 * 100 * 100_500

        proxy.read_on()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*publishing) == [[None] * 400] * 3


async def test_an_idle_connection_is_kept_alive_from_both_ends(rabbit: RabbitStage) -> None:
    """The broker hangs up on who misses two heartbeats, and so do we, after three."""
    await rabbit.declare_queue("q")
    async with rabbit.connection("idle", heartbeat_seconds=1) as connection:
        opened = await connection.opened()
        await asyncio.sleep(8.0)
        assert await connection.opened() is opened
        assert opened.is_opened


async def test_a_busy_connection_is_not_taken_for_dead(rabbit: RabbitStage) -> None:
    """A broker that sends messages sends no heartbeats, and aiormq sees no message of the fast path."""
    await rabbit.declare_queue("q", "classic")
    async with (
        rabbit.publisher() as publisher,
        rabbit.connection("busy", heartbeat_seconds=1) as connection,
        AmqpBatchConsumer(connection, ["q"], check_every=100.0) as consumer,
    ):
        sessions = set()
        until = asyncio.get_running_loop().time() + 9.0
        while asyncio.get_running_loop().time() < until:
            await publisher.publish([message(1)])
            [delivery] = await take(consumer, 1)
            sessions.add(delivery.session)
            await asyncio.sleep(0.02)

    assert sessions == {1}


async def test_why_the_broker_closed_a_connection_is_told(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.consumer(["q"]) as consumer, rabbit.publisher() as publisher:
        await publisher.publish([message(1)])
        await take(consumer, 1)
        dropping = asyncio.create_task(rabbit.drop_connections())
        async with asyncio.timeout(PATIENCE):
            while "CONNECTION_FORCED" not in (consumer.trouble or ""):
                await asyncio.sleep(0.001)
        await dropping
        while await publisher.publish([message(2)]) != [None]:
            await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE):
            while 2 not in numbers(await take(consumer, 1)):
                pass


async def until_heard(proxy: FrameProxy, method: tuple[int, int]) -> None:
    async with asyncio.timeout(PATIENCE):
        while method not in proxy.heard:
            await asyncio.sleep(0.01)
