"""The broker is killed, stopped and started again under the adapters."""

import asyncio
import signal

import pytest

from deploy.native.stack import NativeStack
from shared.messaging.rpc_client import RpcConnectionLostError, RpcError
from shared.messaging.transport_path import TransportPath
from tests.integration.messaging.stages import PATIENCE, RabbitStage, message, messages, numbers, rabbit_stage, take
from tests.integration.messaging.test_rpc import answering, ask, asking, echo
from tests.support.stack import servers_admin_urls

pytestmark = pytest.mark.timeout(180)

RABBITMQ = "rabbitmq"
# A broker of 3.10 that is killed within half a second of declaring a quorum queue has forgotten to start it again.
REGISTERED_SECONDS = 2.0


async def restart(servers: NativeStack) -> None:
    await asyncio.to_thread(servers.send, RABBITMQ, signal.SIGKILL)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(servers.start, RABBITMQ)


@pytest.mark.parametrize("path", TransportPath)
async def test_what_was_confirmed_survives_a_killed_broker_and_is_consumed(
    servers: NativeStack, path: TransportPath
) -> None:
    urls = servers_admin_urls(servers)
    async with rabbit_stage(urls.amqp, urls.rabbitmq_api, path) as rabbit:
        await rabbit.declare_queue("q")
        await asyncio.sleep(REGISTERED_SECONDS)
        confirmed: set[int] = set()
        seen: set[int] = set()
        async with rabbit.publisher(timeout=30.0) as publisher, rabbit.consumer(["q"], prefetch=100) as consumer:

            async def publish() -> None:
                for start in range(0, 3000, 50):
                    batch = [message(start + n) for n in range(50)]
                    for envelope, failure in zip(batch, await publisher.publish(batch), strict=True):
                        if failure is None:
                            confirmed.add(int(envelope.body))
                    await asyncio.sleep(0.02)

            async def consume() -> None:
                async for batch in consumer.batches():
                    seen.update(numbers(batch))
                    await consumer.ack(batch)

            consuming = asyncio.create_task(consume())
            publishing = asyncio.create_task(publish())
            await asyncio.sleep(0.5)
            await restart(servers)
            async with asyncio.timeout(90):
                await publishing
                while not confirmed <= seen:
                    await asyncio.sleep(0.1)
            assert publisher.trouble is None
            assert consumer.trouble is None
            await consumer.stop()
            await consuming

    assert len(confirmed) > 1000


@pytest.mark.parametrize("path", TransportPath)
async def test_a_broker_that_hangs_is_noticed_by_its_silence(servers: NativeStack, path: TransportPath) -> None:
    urls = servers_admin_urls(servers)
    async with rabbit_stage(urls.amqp, urls.rabbitmq_api, path) as rabbit:
        await rabbit.declare_queue("q")
        async with rabbit.connection("impatient", heartbeat_seconds=1, connect_timeout=1.0) as connection:
            assert connection.trouble is None
            servers.send(RABBITMQ, signal.SIGSTOP)
            try:
                async with asyncio.timeout(PATIENCE):
                    while connection.trouble is None:
                        await asyncio.sleep(0.05)
            finally:
                servers.send(RABBITMQ, signal.SIGCONT)
            async with asyncio.timeout(PATIENCE):
                while connection.trouble is not None:
                    await asyncio.sleep(0.05)
        await rabbit_still_works(rabbit)


@pytest.mark.parametrize("path", TransportPath)
async def test_calls_fail_at_once_when_the_broker_is_killed_and_work_after_it_is_back(
    servers: NativeStack, path: TransportPath
) -> None:
    urls = servers_admin_urls(servers)
    async with rabbit_stage(urls.amqp, urls.rabbitmq_api, path) as rabbit:
        await rabbit.declare_queue("queries", "classic")
        async with asking(rabbit) as rpc:
            call = asyncio.create_task(rpc.call(ask(), timeout=100, expires=False))
            await asyncio.sleep(0.3)
            restarting = asyncio.create_task(restart(servers))
            with pytest.raises(RpcConnectionLostError):
                async with asyncio.timeout(5):
                    await call
            await restarting
            async with answering(rabbit, echo), asyncio.timeout(PATIENCE):
                while True:
                    try:
                        answer = await rpc.call(ask(b"again"), timeout=2)
                        break
                    except RpcError:
                        await asyncio.sleep(0.1)
            assert answer.body == b"again"


async def rabbit_still_works(rabbit: RabbitStage) -> None:
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"]) as consumer:
        assert await publisher.publish(messages(3)) == [None] * 3
        assert numbers(await take(consumer, 3)) == [0, 1, 2]
