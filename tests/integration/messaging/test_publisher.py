"""What every Publisher keeps, the fake one too; and what only a real broker can do to it."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.opening import open_connection
from shared.messaging.ports import PublishFailure
from shared.messaging.publisher import AmqpPublisher
from tests.integration.messaging.stages import RabbitStage, Stage, message, messages, numbers, take

UNROUTABLE = PublishFailure.UNROUTABLE


async def test_everything_confirmed_is_on_the_queue_in_order(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        assert await publisher.publish(messages(1000)) == [None] * 1000
        assert numbers(await take(consumer, 1000)) == list(range(1000))


async def test_nothing_to_publish_is_done_at_once(stage: Stage) -> None:
    async with stage.publisher() as publisher:
        assert await publisher.publish([]) == []


async def test_what_no_queue_wants_is_unroutable(stage: Stage) -> None:
    await stage.declare_queue("q")
    batch = [message(1), message(2, "nowhere"), message(3), message(4, "nowhere")]
    async with stage.publisher() as publisher, stage.consumer(["q"]) as consumer:
        assert await publisher.publish(batch) == [None, UNROUTABLE, None, UNROUTABLE]
        assert numbers(await take(consumer, 2)) == [1, 3]


async def test_messages_with_the_same_id_or_none_are_told_apart(stage: Stage) -> None:
    await stage.declare_queue("q")
    batch = [
        replace(message(1), message_id="same"),
        replace(message(2, "nowhere"), message_id="same"),
        replace(message(3), message_id="same"),
        replace(message(4, "nowhere"), message_id=None),
        replace(message(5), message_id=None),
    ]
    async with stage.publisher() as publisher:
        assert await publisher.publish(batch) == [None, UNROUTABLE, None, UNROUTABLE, None]


async def test_publishing_at_once_keeps_results_apart(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher:
        results = await asyncio.gather(
            *(publisher.publish([message(n), message(n, "nowhere"), *messages(n)]) for n in range(60))
        )

    assert results == [[None, UNROUTABLE, *([None] * n)] for n in range(60)]


async def test_many_unroutable_messages_are_all_told(stage: Stage) -> None:
    await stage.declare_queue("q")
    async with stage.publisher() as publisher:
        results = await publisher.publish([message(n, "q" if n % 2 else "nowhere") for n in range(4000)])

    assert results == [None if n % 2 else UNROUTABLE for n in range(4000)]


async def test_a_full_queue_refuses(rabbit: RabbitStage) -> None:
    async with await open_connection(rabbit.url) as connection, connection.channel() as channel:
        await channel.declare_queue("full", durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    async with rabbit.publisher() as publisher:
        results = await publisher.publish(messages(3, "full"))

    assert results == [None, None, PublishFailure.REFUSED]


async def test_a_missing_exchange_is_trouble_and_leaves_the_next_batch_unharmed(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.publisher(timeout=5.0) as publisher:
        lost = await publisher.publish([replace(message(1), exchange="missing"), message(2)])
        assert lost[0] is PublishFailure.UNCONFIRMED
        trouble = publisher.trouble
        assert trouble is not None
        assert "no exchange 'missing'" in trouble
        assert await publisher.publish([message(3)]) == [None]
        assert publisher.trouble is None


async def test_what_is_written_while_the_broker_closes_the_channel_does_not_cost_the_connection(
    rabbit: RabbitStage,
) -> None:
    """Whoever writes to a channel after its channel.close-ok is disconnected."""
    await rabbit.declare_queue("q")
    wrong = replace(message(1), exchange="missing")
    async with rabbit.connection() as connection, AmqpPublisher(connection, timeout=0.5) as publisher:
        opened = await connection.opened()

        async def keep_on() -> None:
            while True:
                await publisher._channel.opened()
                publishing = [asyncio.create_task(publisher.publish([message(2)])) for _ in range(20)]
                await asyncio.sleep(0)
                await asyncio.wait(publishing, timeout=0.001)

        writing = asyncio.create_task(keep_on())
        for _ in range(15):
            await publisher.publish([wrong])
        writing.cancel()
        assert await connection.opened() is opened
        assert opened.is_opened


async def test_a_cut_connection_leaves_unconfirmed_what_was_under_way_and_comes_back(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.publisher(timeout=15.0) as publisher, rabbit.consumer(["q"]) as consumer:
        await publisher.publish([message(0)])
        cutting = asyncio.create_task(rabbit.drop_connections())
        confirmed: set[int] = set()
        unconfirmed: set[int] = set()
        number = 1
        async with asyncio.timeout(30):
            while not cutting.done() or not unconfirmed or number < 4000:
                batch = [message(number + offset) for offset in range(200)]
                for envelope, result in zip(batch, await publisher.publish(batch), strict=True):
                    (confirmed if result is None else unconfirmed).add(int(envelope.body))
                number += 200
        arrived: set[int] = set()
        async with asyncio.timeout(30):
            async for deliveries in consumer.batches():
                arrived.update(numbers(deliveries))
                await consumer.ack(deliveries)
                if confirmed <= arrived:
                    break

    assert unconfirmed


async def test_without_a_broker_it_answers_after_its_timeout() -> None:
    nobody = SupervisedConnection("amqp://admin@127.0.0.1:1/none", name="nobody")
    async with nobody, AmqpPublisher(nobody, timeout=0.3) as publisher:
        assert await publisher.publish(messages(2)) == [PublishFailure.UNCONFIRMED] * 2
        assert "127.0.0.1:1" in (publisher.trouble or "")


async def test_what_can_not_be_encoded_is_the_callers_error(rabbit: RabbitStage) -> None:
    async with rabbit.publisher() as publisher:
        with pytest.raises(ValueError, match="larger than a frame"):
            await publisher.publish([replace(message(1), headers={"k": "x" * 200_000})])
        with pytest.raises(ValueError, match="encoded"):
            await publisher.publish([replace(message(1), routing_key="x" * 300)])
        assert publisher.trouble is None


async def test_what_happens_is_counted(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    registry = CollectorRegistry()
    async with rabbit.publisher(metrics=MessagingMetrics(registry)) as publisher:
        await publisher.publish([message(1), message(2), message(3, "nowhere")])

    labels = {"exchange": "", "reason": "unroutable"}
    assert registry.get_sample_value("messaging_published_total", {"exchange": ""}) == 2
    assert registry.get_sample_value("messaging_publish_failures_total", labels) == 1


async def test_a_stable_id_is_on_the_wire(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    envelope = Envelope(exchange="", routing_key="q", type="T", body=b"{}", message_id="our-own-id")
    async with rabbit.publisher() as publisher:
        await publisher.publish([envelope])
        await publisher.publish([envelope])
    async with await open_connection(rabbit.url) as connection, connection.channel() as channel:
        queue = await channel.get_queue("q")
        first, second = await queue.get(), await queue.get()

    assert (first.message_id, second.message_id) == ("our-own-id", "our-own-id")
    assert first.delivery_mode == 2
