"""The detour of the stream faults does what they say, and loses nothing, whatever becomes of its connection."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest
from yarl import URL

from shared.messaging.opening import open_connection
from tests.chaos.faults.stream_relay import Delays, StreamRelay
from tests.support.tcp_proxy import TcpProxy

COUNT = 60


class Detour:
    """Two queues of a test's own, and a relay between them behind a proxy."""

    def __init__(self, url: str, channel: aio_pika.abc.AbstractChannel, proxy: TcpProxy) -> None:
        self.proxy = proxy
        self.source, self.target = f"test.source-{uuid4()}", f"test.target-{uuid4()}"
        self._relayed_url = str(URL(url).with_port(proxy.port))
        self._channel = channel

    async def declare(self) -> None:
        for name in (self.source, self.target):
            await self._channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})

    async def delete(self) -> None:
        for name in (self.source, self.target):
            await self._channel.queue_delete(name)

    def relay(self, delays: Delays) -> StreamRelay:
        return StreamRelay(self._relayed_url, self.source, self.target, delays)

    async def publish(self) -> None:
        for number in range(COUNT):
            message = aio_pika.Message(b"{}", message_id=str(number), type="UserCreated", headers={"aggregate-id": "a"})
            await self._channel.default_exchange.publish(message, routing_key=self.source)

    async def arrived(self) -> list[aio_pika.abc.AbstractIncomingMessage]:
        queue = await self._channel.get_queue(self.target, ensure=False)
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(message)
        return found


@pytest.fixture
async def detour(amqp_admin_url: str) -> AsyncIterator[Detour]:
    port = URL(amqp_admin_url).port
    assert port is not None
    async with await open_connection(amqp_admin_url) as connection, TcpProxy(port) as proxy:
        detour = Detour(amqp_admin_url, await connection.channel(), proxy)
        await detour.declare()
        yield detour
        await detour.delete()


async def passed(detour: Detour, delays: Delays, *, cut: bool = False) -> list[str]:
    """Ids in the order of arrival, when all have come through; `cut` resets the relay's connection in the middle."""
    relay = detour.relay(delays)
    running = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(60):
            await detour.publish()
            if cut:
                await asyncio.sleep(0.5)
                detour.proxy.cut()
                await asyncio.sleep(0.5)
                detour.proxy.heal()
            await relay.drained()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    messages = await detour.arrived()
    assert {(message.type, str(message.headers["aggregate-id"])) for message in messages} == {("UserCreated", "a")}
    return [message.message_id or "" for message in messages]


async def test_copies_come_as_often_as_they_are_asked_for(detour: Detour) -> None:
    ids = await passed(detour, lambda: [0.0, 0.5, 0.5])

    assert Counter(ids) == {str(number): 3 for number in range(COUNT)}


async def test_what_is_delayed_comes_behind_what_followed_it(detour: Detour) -> None:
    late = iter([2.0])

    ids = await passed(detour, lambda: [next(late, 0.0)])

    assert ids[-1] == "0"
    assert len(ids) == COUNT


async def test_a_connection_that_is_reset_loses_nothing(detour: Detour) -> None:
    ids = await passed(detour, lambda: [0.0, 1.0], cut=True)

    assert set(ids) == {str(number) for number in range(COUNT)}
    assert len(ids) >= 2 * COUNT
