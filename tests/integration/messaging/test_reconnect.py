"""Consumers, connections and queues come and go; the adapters come back by themselves."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from deploy.native.stack import NativeStack
from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import BrokerRefusedError, SupervisedConnection
from shared.messaging.envelope import Delivery
from shared.messaging.opening import open_connection
from shared.messaging.queue_probe import QueueProbe
from shared.messaging.topology import Queue
from tests.integration.messaging.stages import PATIENCE, RabbitStage, message, messages, numbers, take, until_emptied
from tests.support.rabbitmqctl import rabbitmqctl


async def until_well(consumer: AmqpBatchConsumer) -> None:
    async with asyncio.timeout(PATIENCE):
        while consumer.trouble is not None:
            await asyncio.sleep(0.02)


async def test_nothing_is_lost_when_connections_are_cut_under_load(rabbit: RabbitStage) -> None:
    total = 6000
    await rabbit.declare_queue("q")
    seen: set[int] = set()
    async with rabbit.publisher(timeout=20.0) as publisher, rabbit.consumer(["q"], prefetch=200) as consumer:

        async def publish_all() -> None:
            pending = messages(total)
            while pending:
                batch, pending = pending[:100], pending[100:]
                results = await publisher.publish(batch)
                pending = [e for e, failure in zip(batch, results, strict=True) if failure is not None] + pending
                await asyncio.sleep(0.01)

        async def cut() -> None:
            for _ in range(3):
                await rabbit.drop_connections()
                await asyncio.sleep(0.5)

        publishing, cutting = asyncio.create_task(publish_all()), asyncio.create_task(cut())
        async with asyncio.timeout(60):
            async for batch in consumer.batches():
                seen.update(numbers(batch))
                await asyncio.sleep(0.005)
                await consumer.ack(batch)
                if len(seen) == total:
                    break
        await asyncio.gather(publishing, cutting)
        leftovers = asyncio.create_task(take(consumer, 10_000_000))
        await until_emptied(rabbit)
        leftovers.cancel()

    assert seen == set(range(total))


async def test_a_queue_with_other_arguments_is_not_consumed_until_it_is_as_declared(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("event-log", "classic")
    await rabbit.declare_queue("queries", "quorum")
    async with rabbit.publisher() as publisher, rabbit.consumer(["event-log", "queries"]) as consumer:
        async with asyncio.timeout(5):
            while "queue 'queries' exists with other arguments" not in (consumer.trouble or ""):
                await asyncio.sleep(0.02)
        assert "x-queue-type" in (consumer.trouble or "")
        await publisher.publish([message(1, "queries"), message(2, "event-log")])
        assert numbers(await take(consumer, 1)) == [2]
        assert await rabbit.waiting("queries") == 1

        await rabbit.delete_queue("queries")
        await rabbit.declare_queue("queries", "classic")
        await publisher.publish([message(3, "queries")])
        assert numbers(await take(consumer, 1, seconds=10)) == [3]
        await until_well(consumer)


async def test_a_consumer_that_the_broker_took_along_to_a_queue_with_other_arguments_is_given_up(
    rabbit: RabbitStage, servers: NativeStack
) -> None:
    """A broker whose channel learns of its queue's end when there is one of the same name again consumes from that, and
    tells nobody. So it is here: the channel sleeps meanwhile.
    """
    await rabbit.declare_queue("queries", "classic")
    async with rabbit.publisher() as publisher, rabbit.consumer(["queries"], check_every=0.5) as consumer:
        await until_well(consumer)
        await rabbitmqctl(
            servers.layout,
            "eval",
            f'Name = rabbit_misc:r(<<"{rabbit.vhost}">>, queue, <<"queries">>),'
            "{ok, Queue} = rabbit_amqqueue:lookup(Name),"
            "[Consumer | _] = rabbit_amqqueue:consumers(Queue), Channel = element(1, Consumer),"
            "erlang:suspend_process(Channel),"
            'rabbit_amqqueue:delete(Queue, false, false, <<"operator">>),'
            'rabbit_amqqueue:declare(Name, true, false, [{<<"x-max-length">>, long, 7}], none, <<"operator">>),'
            "erlang:resume_process(Channel).",
        )
        async with asyncio.timeout(10):
            while "queue 'queries' exists with other arguments" not in (consumer.trouble or ""):
                await asyncio.sleep(0.02)
        await publisher.publish([message(1, "queries")])
        await asyncio.sleep(1.0)
        assert await rabbit.waiting("queries") == 1

        await rabbit.delete_queue("queries")
        await rabbit.declare_queue("queries", "classic")
        await publisher.publish([message(2, "queries")])
        assert numbers(await take(consumer, 1, seconds=10)) == [2]
        await until_well(consumer)


async def test_looking_at_a_queue_with_other_arguments_grows_rarer(rabbit: RabbitStage) -> None:
    """Each look costs a channel; an interval of 2 s, and the delays before it, leave no more than a handful."""
    await rabbit.declare_queue("queries", "quorum")
    async with rabbit.connection("consume") as connection:
        looks = 0

        class CountingProbe(QueueProbe):
            async def objection(self, wanted: Queue) -> str | None:
                nonlocal looks
                looks += 1
                return await super().objection(wanted)

        async with AmqpBatchConsumer(connection, ["queries"], check_every=2.0) as consumer:
            consumer._consumers._probe = CountingProbe(connection)
            await asyncio.sleep(5.0)

    assert 2 <= looks <= 10


async def test_a_queue_deleted_and_declared_again_is_consumed_while_others_never_stop(rabbit: RabbitStage) -> None:
    for queue in ("a", "b"):
        await rabbit.declare_queue(queue)
    async with rabbit.publisher() as publisher, rabbit.consumer(["a", "b"], check_every=1.0) as consumer:
        await until_well(consumer)
        await publisher.publish([message(1, "a")])
        [held] = await take(consumer, 1, ack=False)

        await rabbit.delete_queue("a")
        async with asyncio.timeout(5):
            while "'a'" not in (consumer.trouble or ""):
                await asyncio.sleep(0.02)
        await publisher.publish([message(2, "b")])
        assert [delivery.queue for delivery in await take(consumer, 1)] == ["b"]
        assert consumer.is_current(held)
        await consumer.ack([held])

        await rabbit.declare_queue("a")
        await publisher.publish([message(3, "a")])
        assert numbers(await take(consumer, 1, seconds=5)) == [3]
        await until_well(consumer)


async def test_a_queue_that_is_missing_at_the_start_is_trouble_until_it_is_there(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("there")
    async with rabbit.publisher() as publisher, rabbit.consumer(["there", "late"], check_every=1.0) as consumer:
        await publisher.publish([message(1, "there")])
        await take(consumer, 1)
        async with asyncio.timeout(PATIENCE):  # "there" delivers while "late" is still being asked for
            while consumer.trouble != "queue 'late' is missing":
                await asyncio.sleep(0.02)

        await rabbit.declare_queue("late")
        await publisher.publish([message(2, "late")])
        assert numbers(await take(consumer, 1, seconds=6)) == [2]
        await until_well(consumer)  # which it says a moment after the first delivery


async def test_a_consumer_that_the_broker_has_lost_is_noticed(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"], check_every=0.3) as consumer:
        await until_well(consumer)
        # Behind the adapter's back: to it the consumer is still there.
        assert consumer._channel is not None
        await consumer._channel.basic_cancel(consumer._consumers._tag_of["q"])
        await publisher.publish([message(1)])
        assert numbers(await take(consumer, 1, seconds=5)) == [1]


async def test_a_closed_channel_is_opened_again(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"]) as consumer:
        await publisher.publish(messages(5))
        held = await take(consumer, 5, ack=False)
        assert consumer._channel is not None
        await consumer._channel.basic_ack(4711)  # PRECONDITION_FAILED: unknown delivery tag
        again = await take(consumer, 5)
        assert numbers(again) == list(range(5))
        assert not any(consumer.is_current(delivery) for delivery in held)


async def test_halting_hands_the_partition_over_without_reordering(rabbit: RabbitStage) -> None:
    async with await open_connection(rabbit.url) as connection, connection.channel() as channel:
        await channel.declare_queue(
            "sac", durable=True, arguments={"x-queue-type": "quorum", "x-single-active-consumer": True}
        )
    done: list[Delivery] = []

    async def work(consumer: AmqpBatchConsumer, batches: int) -> None:
        async for batch in consumer.batches():
            await asyncio.sleep(0.01)
            done.extend(batch)
            await consumer.ack(batch)
            batches -= 1
            if not batches:
                consumer.halt()

    async with AsyncExitStack() as lives_on:
        async with AsyncExitStack() as retires:
            publisher = await lives_on.enter_async_context(rabbit.publisher())
            await publisher.publish(messages(400, "sac"))
            first = await retires.enter_async_context(rabbit.consumer(["sac"], max_batch=30, prefetch=120))
            await until_well(first)
            second = await lives_on.enter_async_context(rabbit.consumer(["sac"], max_batch=30, prefetch=120))
            await until_well(second)
            second_at_work = asyncio.create_task(work(second, 1000))
            await work(first, 3)
        async with asyncio.timeout(PATIENCE):
            while len(done) < 400:
                await asyncio.sleep(0.02)
        second.halt()
        await second_at_work

    assert numbers(done) == list(range(400))


async def test_wrong_credentials_fail_fast_without_the_secret(rabbit: RabbitStage) -> None:
    url = str(URL(rabbit.url).with_password("s3cr3t"))

    with pytest.raises(BrokerRefusedError, match=r"refuses user .* ACCESS_REFUSED") as refused:
        async with SupervisedConnection(url, name="refused"):
            pass

    assert "s3cr3t" not in str(refused.value)


async def test_a_missing_vhost_fails_fast(rabbit: RabbitStage) -> None:
    with pytest.raises(BrokerRefusedError, match="not found"):
        async with SupervisedConnection(f"{rabbit.url}-missing", name="refused"):
            pass


async def test_an_absent_broker_is_trouble_and_no_failure(rabbit: RabbitStage) -> None:
    async with SupervisedConnection("amqp://admin:s3cr3t@127.0.0.1:1/none", name="absent") as connection:
        assert "no connection to the broker at 127.0.0.1:1" in (connection.trouble or "")
        assert "s3cr3t" not in (connection.trouble or "")
        async with AmqpBatchConsumer(connection, ["q"]) as consumer:
            assert consumer.trouble == connection.trouble
            await consumer.stop()
            assert [batch async for batch in consumer.batches()] == []


async def test_the_broker_shows_who_is_connected(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.connection("command: consume"):
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await rabbit.api.get("vhosts", rabbit.vhost, "connections")
                names = [connection.get("client_properties", {}).get("connection_name") for connection in found]
                if "command: consume" in names:
                    break
                await asyncio.sleep(0.1)


async def test_leaving_while_deliveries_pour_in_does_not_wait_for_a_timeout(rabbit: RabbitStage) -> None:
    for queue in ("a", "b"):
        await rabbit.declare_queue(queue)
        async with rabbit.publisher(timeout=20.0) as publisher:
            assert not any(await publisher.publish(messages(2000, queue)))
    for _ in range(4):
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(rabbit.connection())
            for queue in ("a", "b"):
                await stack.enter_async_context(AmqpBatchConsumer(connection, [queue], prefetch=2000))
            await asyncio.sleep(0.05)
            left = time.monotonic()
        assert time.monotonic() - left < 3.0
