"""What every BatchConsumer keeps, the fake one too."""

import asyncio
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from shared.messaging.batch_consumer import AmqpBatchConsumer
from tests.integration.messaging.stages import RabbitStage, Stage, message, messages, numbers, take, until_emptied


async def test_each_queue_keeps_its_order(stage: Stage) -> None:
    for queue in ("a", "b"):
        await stage.declare_queue(queue)
    async with stage.publisher() as publisher, stage.consumer(["a", "b"], prefetch=50, max_batch=20) as consumer:
        await publisher.publish([message(n, queue) for n in range(300) for queue in ("a", "b")])
        taken = await take(consumer, 600)

    for queue in ("a", "b"):
        assert numbers([delivery for delivery in taken if delivery.queue == queue]) == list(range(300))


async def test_a_batch_is_full_or_what_came_within_the_linger(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher:
        await publisher.publish(messages(25))
    async with stage.consumer(["q"], max_batch=10, linger=0.3) as consumer:
        sizes = []
        async with asyncio.timeout(10):
            async for batch in consumer.batches():
                sizes.append(len(batch))
                await consumer.ack(batch)
                if sum(sizes) == 25:
                    break

    assert sizes == [10, 10, 5]


async def test_who_gets_little_does_not_linger(rabbit: RabbitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    lingered = 0
    wait = AmqpBatchConsumer._wait_for_more

    async def counting(consumer: AmqpBatchConsumer, seconds: float) -> None:
        nonlocal lingered
        lingered += 1
        await wait(consumer, seconds)

    monkeypatch.setattr(AmqpBatchConsumer, "_wait_for_more", counting)
    await rabbit.declare_queue("q")
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"], linger=0.01) as consumer:
        await publisher.publish(messages(1))
        await take(consumer, 1)
        assert lingered == 0

        await publisher.publish(messages(300))
        await take(consumer, 300)
        assert lingered > 0


async def test_one_message_that_counts_for_many_lets_its_batch_linger(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    options: dict[str, Any] = {"linger": 0.2, "weigh": lambda delivery: len(delivery.body)}
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"], **options) as consumer:
        started = monotonic()
        await publisher.publish([replace(message(0), body=b"x" * 5000)])
        await take(consumer, 1)
        assert monotonic() - started >= 0.2


async def test_a_full_batch_does_not_linger(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"], max_batch=10, linger=5.0) as consumer:
        await publisher.publish(messages(10))
        started = asyncio.get_running_loop().time()
        await take(consumer, 10)

    # One that lingers although it is full takes five seconds. The fake's linger is a plain sleep, and it is full at
    # once.
    assert asyncio.get_running_loop().time() - started < 3.0


async def test_properties_arrive_as_they_were_sent(stage: Stage) -> None:
    await stage.declare_queue("q")
    sent = message(
        7,
        headers={"schema-version": 2, "traceparent": "00-abc"},
        correlation_id="c-1",
        reply_to="reply.alice",
        expiration_ms=60_000,
    )
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        await publisher.publish([sent])
        [arrived] = await take(consumer, 1)

    assert (arrived.type, arrived.message_id, arrived.content_type) == ("Numbered", "m-7", "application/json")
    assert dict(arrived.headers) == {"schema-version": 2, "traceparent": "00-abc"}
    assert (arrived.correlation_id, arrived.reply_to, arrived.expiration) == ("c-1", "reply.alice", "60000")
    assert (arrived.exchange, arrived.routing_key, arrived.queue) == ("", "q", "q")
    assert (arrived.redelivered, arrived.undecodable) == (False, None)


async def test_acknowledging_in_any_order_leaves_nothing(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"], prefetch=100) as consumer:
        await publisher.publish(messages(90))
        taken = await take(consumer, 90, ack=False)
        for third in (taken[1::3], taken[::3][::-1], taken[2::3]):
            await consumer.ack(third)
        await consumer.ack(taken)
        await publisher.publish(messages(100))
        again = await take(consumer, 100)

    assert numbers(again) == list(range(100))
    await until_emptied(stage)


async def test_what_was_not_acknowledged_comes_again_in_order(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        await publisher.publish(messages(20))
        taken = await take(consumer, 20, ack=False)
        await consumer.ack([delivery for delivery in taken if int(delivery.body) % 2])
    async with stage.consumer(["q"]) as consumer:
        again = await take(consumer, 10)

    assert numbers(again) == list(range(0, 20, 2))
    assert all(delivery.redelivered for delivery in again)


async def test_requeued_messages_come_again(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        await publisher.publish(messages(5))
        taken = await take(consumer, 5, ack=False)
        await consumer.requeue(taken[1:3])
        await consumer.ack([taken[0], *taken[3:]])
        again = await take(consumer, 2)

    assert sorted(numbers(again)) == [1, 2]
    assert all(delivery.redelivered for delivery in again)


async def test_no_more_than_the_prefetch_is_held(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"], prefetch=10, max_batch=500) as consumer:
        await publisher.publish(messages(30))
        taken = await take(consumer, 10, ack=False)
        await asyncio.sleep(0.2)
        assert len(taken) == 10
        assert await stage.waiting("q") == 20


async def test_a_lost_connection_means_redelivery_and_stale_acknowledgements_do_no_harm(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        await publisher.publish(messages(10))
        before = await take(consumer, 10, ack=False)
        assert all(consumer.is_current(delivery) for delivery in before)

        await stage.drop_connections()
        again = await take(consumer, 10, ack=False)
        assert not any(consumer.is_current(delivery) for delivery in before)
        await consumer.ack(before)
        await consumer.requeue(before)
        assert numbers(again) == list(range(10))
        assert all(consumer.is_current(delivery) for delivery in again)
        await consumer.ack(again)

        await publisher.publish([message(11)])
        assert numbers(await take(consumer, 1)) == [11]
    await until_emptied(stage)


async def test_stop_hands_out_what_has_arrived_and_ends(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"], max_batch=10) as consumer:
        await publisher.publish(messages(25))
        seen = 0
        async with asyncio.timeout(10):
            async for batch in consumer.batches():
                if not seen:
                    await asyncio.sleep(0.3)
                    await consumer.stop()
                    await publisher.publish([message(99)])
                seen += len(batch)
                await consumer.ack(batch)
        await asyncio.sleep(0.2)

    assert seen == 25
    assert await stage.waiting("q") == 1


async def test_halt_ends_at_once_and_gives_back_the_rest_in_order(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"], max_batch=10, prefetch=100) as consumer:
        await publisher.publish(messages(30))
        seen = []
        async with asyncio.timeout(10):
            async for batch in consumer.batches():
                await asyncio.sleep(0.2)
                consumer.halt()  # type: ignore[attr-defined]
                seen += numbers(batch)
                await consumer.ack(batch)
    async with stage.consumer(["q"]) as consumer:
        again = await take(consumer, 30 - len(seen))

    assert seen + numbers(again) == list(range(30))


async def test_waits_without_work_until_something_comes(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        waiting = asyncio.create_task(take(consumer, 1))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await publisher.publish([message(1)])
        assert numbers(await waiting) == [1]
        assert consumer.trouble is None


@pytest.mark.parametrize("size", [0, 1, 131_063, 131_064, 131_065, 300_000, 2_000_000])
async def test_bodies_of_any_size_arrive_whole(stage: Stage, size: int) -> None:
    await stage.declare_queue("q")
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        sent = message(1)
        assert await publisher.publish([replace(sent, body=body), sent]) == [None, None]
        first, second = await take(consumer, 2)

    assert first.body == body
    assert second.body == b"1"
