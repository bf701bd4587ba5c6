"""Asking and answering over a real broker, with direct reply-to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.replier import AmqpReplier
from shared.messaging.reply import Reply
from shared.messaging.responder import RequestHandler, Responder
from shared.messaging.rpc_client import RpcClient, RpcConnectionLostError, RpcTimeoutError, RpcUnroutableError
from tests.integration.messaging.stages import RabbitStage, take, until_emptied


def ask(body: bytes = b"hello", **options: object) -> Envelope:
    return replace(
        Envelope(exchange="", routing_key="queries", type="Ask", body=body, persistent=False),
        **options,  # type: ignore[arg-type]
    )


async def echo(request: Delivery) -> Reply | None:
    return Reply(type="Answer", body=request.body)


@asynccontextmanager
async def answering(rabbit: RabbitStage, handler: RequestHandler) -> AsyncIterator[None]:
    await rabbit.declare_queue("queries", "classic")
    async with (
        rabbit.consumer(["queries"], linger=0) as consumer,
        rabbit.connection("reply") as replying,
        AmqpReplier(replying) as replier,
    ):
        async with asyncio.timeout(10):
            while consumer.trouble or replier.trouble:
                await asyncio.sleep(0.01)
        responder = Responder(consumer, replier, handler)
        running = asyncio.create_task(responder.run())
        yield
        await responder.stop()
        await running


@asynccontextmanager
async def asking(rabbit: RabbitStage) -> AsyncIterator[RpcClient]:
    async with rabbit.connection("ask") as connection, RpcClient(connection) as rpc:
        yield rpc


async def test_many_calls_in_flight_each_get_their_own_answer(rabbit: RabbitStage) -> None:
    async def shuffled(request: Delivery) -> Reply | None:
        await asyncio.sleep(0.001 * (int(request.body) % 7))
        return await echo(request)

    async with answering(rabbit, shuffled), asking(rabbit) as rpc:
        answers = await asyncio.gather(*(rpc.call(ask(b"%d" % n), timeout=10) for n in range(500)))

    assert [int(answer.body) for answer in answers] == list(range(500))
    assert {answer.type for answer in answers} == {"Answer"}
    await until_emptied(rabbit, "queries")


async def test_the_callers_correlation_id_is_kept(rabbit: RabbitStage) -> None:
    async with answering(rabbit, echo), asking(rabbit) as rpc:
        answer = await rpc.call(ask(correlation_id="mine"), timeout=5)

    assert answer.correlation_id == "mine"


async def test_a_large_answer_arrives_whole(rabbit: RabbitStage) -> None:
    async with answering(rabbit, echo), asking(rabbit) as rpc:
        answer = await rpc.call(ask(b"x" * 2_000_000), timeout=10)

    assert len(answer.body) == 2_000_000


async def test_nobody_there_is_told_at_once(rabbit: RabbitStage) -> None:
    async with asking(rabbit) as rpc:
        started = asyncio.get_running_loop().time()
        with pytest.raises(RpcUnroutableError, match="'queries'"):
            await rpc.call(ask(), timeout=30)

    assert asyncio.get_running_loop().time() - started < 5


async def test_no_answer_in_time_is_a_timeout_and_the_request_expires(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("queries", "classic")
    async with asking(rabbit) as rpc:
        with pytest.raises(RpcTimeoutError):
            await rpc.call(ask(), timeout=0.2)
        with pytest.raises(RpcTimeoutError):
            await rpc.call(ask(b"stays"), timeout=0.2, expires=False)
    async with rabbit.consumer(["queries"]) as consumer:
        [left] = await take(consumer, 1)

    assert (left.body, left.expiration) == (b"stays", None)


async def test_a_late_answer_is_ignored(rabbit: RabbitStage) -> None:
    async def late(request: Delivery) -> Reply | None:
        if request.body == b"late":
            await asyncio.sleep(0.4)
        return await echo(request)

    async with answering(rabbit, late), asking(rabbit) as rpc:
        with pytest.raises(RpcTimeoutError):
            await rpc.call(ask(b"late"), timeout=0.2, expires=False)
        await asyncio.sleep(0.4)
        assert (await rpc.call(ask(b"next"), timeout=5)).body == b"next"


async def test_a_lost_connection_fails_the_calls_in_flight_at_once_and_later_ones_work(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("queries", "classic")
    async with asking(rabbit) as rpc:
        calls = [asyncio.create_task(rpc.call(ask(), timeout=60)) for _ in range(10)]
        await asyncio.sleep(0.3)
        await rabbit.drop_connections()
        async with asyncio.timeout(10):
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {RpcConnectionLostError}

        async with rabbit.consumer(["queries"]) as consumer:
            await take(consumer, 10)
        async with answering(rabbit, echo):
            assert (await rpc.call(ask(b"again"), timeout=10)).body == b"again"


async def test_without_a_broker_a_call_fails_within_its_timeout() -> None:
    nobody = SupervisedConnection("amqp://admin@127.0.0.1:1/none", name="nobody")
    async with nobody, RpcClient(nobody) as rpc:
        with pytest.raises(RpcConnectionLostError, match=r"127\.0\.0\.1:1"):
            await rpc.call(ask(), timeout=0.3)


async def test_a_request_with_a_foreign_address_gets_no_reply_and_leaves_the_queue(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("victim", "classic")
    async with answering(rabbit, echo), rabbit.publisher() as publisher, asking(rabbit) as rpc:
        await publisher.publish([ask(reply_to="victim"), ask(reply_to="amq.rabbitmq.reply-to.x.y"), ask(reply_to="")])
        assert (await rpc.call(ask(b"good"), timeout=5)).body == b"good"
        assert await rabbit.waiting("victim") == 0
    await until_emptied(rabbit, "queries")
