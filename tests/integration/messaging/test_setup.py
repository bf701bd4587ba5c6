"""The set-up job against a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import aiormq
import pytest
from yarl import URL

from shared.messaging.envelope import Envelope
from shared.messaging.management_api import ManagementApiError
from shared.messaging.opening import open_connection
from shared.messaging.ports import PublishFailure
from shared.messaging.setup import SetupError, set_up_broker
from shared.messaging.topology import ProjectionQueue, Topology, commands_queue, topology
from tests.integration.messaging.stages import RabbitStage, message, numbers, take
from tests.support.projection_queues import PROJECTION_QUEUES

PASSWORD = "p%4:/@ s"


@dataclass(frozen=True)
class Broker:
    """A vhost with users of its own, so that other tests on the same broker keep theirs."""

    stage: RabbitStage
    api_url: str
    suffix: str

    def topology(self, partitions: int = 4, **options: Any) -> Topology:
        built = topology(partitions=partitions, **{"projections": PROJECTION_QUEUES, **options})
        permissions = tuple(replace(each, user=f"{each.user}-{self.suffix}") for each in built.permissions)
        return replace(built, permissions=permissions)

    async def set_up(self, wanted: Topology | None = None) -> list[str]:
        lines: list[str] = []
        wanted = wanted or self.topology()
        await set_up_broker(
            wanted,
            amqp_url=self.stage.url,
            api_url=self.api_url,
            passwords={permission.user: PASSWORD for permission in wanted.permissions},
            wait_seconds=1.0,
            progress=lines.append,
        )
        return lines

    def url_of(self, user: str) -> str:
        return str(URL(self.stage.url).with_user(f"{user}-{self.suffix}").with_password(PASSWORD))


@pytest.fixture
async def broker(rabbit: RabbitStage, rabbitmq_api_url: str) -> AsyncIterator[Broker]:
    broker = Broker(rabbit, rabbitmq_api_url, uuid4().hex[:8])
    yield broker
    for permission in broker.topology().permissions:
        with suppress(ManagementApiError):  # not every test makes users
            await rabbit.api.delete("users", permission.user)


async def test_set_up_twice_is_the_same_as_once(broker: Broker) -> None:
    first = await broker.set_up()
    async with broker.stage.publisher() as publisher:
        await publisher.publish([message(1, commands_queue(0))])
    second = await broker.set_up()

    assert first == second
    assert await broker.stage.waiting(commands_queue(0)) == 1


async def test_commands_of_one_aggregate_go_to_one_partition(broker: Broker) -> None:
    await broker.set_up()
    queues = [commands_queue(partition) for partition in range(4)]
    keys = [f"user-{n % 50}" for n in range(400)]
    sent = [replace(message(n), exchange="commands", routing_key=key) for n, key in enumerate(keys)]
    async with broker.stage.publisher() as publisher, broker.stage.consumer(queues) as consumer:
        assert await publisher.publish(sent) == [None] * 400
        taken = await take(consumer, 400)

    assert len({(delivery.queue, delivery.routing_key) for delivery in taken}) == 50
    assert len({delivery.queue for delivery in taken}) == 4
    for key in set(keys):
        one = numbers([delivery for delivery in taken if delivery.routing_key == key])
        assert one == sorted(one)


async def test_messages_reach_every_read_model_that_is_fed_by_their_exchange(broker: Broker) -> None:
    await broker.set_up()
    event = replace(message(1), exchange="events", routing_key="user.UserCreated")
    outcomes = replace(message(2), exchange="outcomes", routing_key="command.outcomes")
    both = ["projections.users", "projections.command_status"]
    async with broker.stage.publisher() as publisher, broker.stage.consumer(both) as consumer:
        assert await publisher.publish([event, outcomes]) == [None, None]
        taken = {(delivery.queue, delivery.message_id) for delivery in await take(consumer, 2)}
    assert taken == {("projections.users", "m-1"), ("projections.command_status", "m-2")}


async def test_what_fed_a_read_model_in_an_earlier_version_does_no_more(broker: Broker) -> None:
    before = ProjectionQueue("statuses", (("events", "#"),))
    await broker.set_up(broker.topology(projections=(before,)))
    await broker.set_up(
        broker.topology(projections=(replace(before, sources=(("outcomes", "#"),), retired_sources=before.sources),))
    )

    sent = replace(message(1), exchange="events", routing_key="user.UserCreated")
    async with broker.stage.publisher() as publisher:
        assert await publisher.publish([sent]) == [PublishFailure.UNROUTABLE]


async def test_an_expired_command_becomes_a_dead_letter(broker: Broker) -> None:
    await broker.set_up()
    sent = replace(message(1), exchange="commands", routing_key="alice", expiration_ms=50)
    async with broker.stage.publisher() as publisher, broker.stage.consumer(["dead-letters"]) as consumer:
        await publisher.publish([sent])
        [dead] = await take(consumer, 1)

    assert (dead.message_id, dead.routing_key) == ("m-1", "alice")
    assert dead.headers["x-death"][0]["reason"] == "expired"


async def test_an_added_read_model_needs_nothing_but_its_data(broker: Broker) -> None:
    await broker.set_up()
    await broker.set_up(broker.topology(projections=(ProjectionQueue("stats", (("events", "user.#"),)),)))

    assert await broker.stage.waiting("projections.stats") == 0


async def test_each_service_can_do_its_work_with_its_own_user(broker: Broker) -> None:
    await broker.set_up()
    command, query, client = (
        RabbitStageAs(broker.stage, broker.url_of(user)) for user in ("command", "query", "client")
    )
    async with client.publisher() as asks, command.consumer([commands_queue(n) for n in range(4)]) as works:
        assert await asks.publish([replace(message(1), exchange="commands", routing_key="alice")]) == [None]
        await take(works, 1)
    async with command.publisher() as tells, query.consumer(["projections.users", "queries"]) as projects:
        assert await tells.publish([replace(message(2), exchange="events", routing_key="user.UserCreated")]) == [None]
        assert await tells.publish([replace(message(3), exchange="dead-letters", routing_key="x")]) == [None]
        await take(projects, 1)
    async with query.publisher() as gives_up:
        assert await gives_up.publish([replace(message(4), exchange="dead-letters", routing_key="x")]) == [None]


@pytest.mark.parametrize(
    ("user", "exchange"), [("client", "events"), ("client", ""), ("query", "commands"), ("command", "commands")]
)
async def test_nobody_publishes_where_it_has_no_business(broker: Broker, user: str, exchange: str) -> None:
    await broker.set_up()
    async with RabbitStageAs(broker.stage, broker.url_of(user)).publisher(timeout=2.0) as publisher:
        await publisher.publish([Envelope(exchange=exchange, routing_key="x", type="T", body=b"")])

        assert "ACCESS_REFUSED" in (publisher.trouble or "")


async def test_an_operator_sends_again_in_the_name_of_the_sender_and_to_one_queue_alone(broker: Broker) -> None:
    await broker.set_up()
    again = replace(message(1), routing_key="alice", user_id="somebody", content_encoding="gzip")
    async with (
        RabbitStageAs(broker.stage, broker.url_of("ops")).publisher() as ops,
        broker.stage.consumer([*(commands_queue(n) for n in range(4)), "projections.users"]) as consumer,
    ):
        one_queue = replace(again, exchange="", routing_key="projections.users")
        assert await ops.publish([replace(again, exchange="commands"), one_queue]) == [None, None]
        arrived = await take(consumer, 2)

    assert {(each.user_id, each.content_encoding) for each in arrived} == {("somebody", "gzip")}


async def test_a_client_can_not_send_in_the_name_of_others(broker: Broker) -> None:
    await broker.set_up()
    async with RabbitStageAs(broker.stage, broker.url_of("client")).publisher(timeout=2.0) as publisher:
        await publisher.publish([replace(message(1), exchange="commands", routing_key="alice", user_id="somebody")])

        assert "PRECONDITION_FAILED" in (publisher.trouble or "")


async def test_only_an_operator_controls_projections(broker: Broker) -> None:
    await broker.set_up()
    request = replace(message(1), exchange="projection-control", routing_key="projection-control")
    async with RabbitStageAs(broker.stage, broker.url_of("client")).publisher(timeout=2.0) as client:
        await client.publish([request])
        assert "ACCESS_REFUSED" in (client.trouble or "")
    async with (
        RabbitStageAs(broker.stage, broker.url_of("ops")).publisher() as ops,
        RabbitStageAs(broker.stage, broker.url_of("query")).consumer(["projection-control"]) as service,
    ):
        assert await ops.publish([request]) == [None]
        await take(service, 1)


@pytest.mark.parametrize("queue", ["queries", "projections.users", "commands", "mine"])
async def test_a_service_declares_and_deletes_no_queue_that_it_does_not_consume(broker: Broker, queue: str) -> None:
    await broker.set_up()
    async with await open_connection(broker.url_of("command")) as connection:
        with pytest.raises(aiormq.ChannelAccessRefused):
            async with connection.channel() as channel:
                await channel.declare_queue(queue, durable=True)
        with pytest.raises(aiormq.ChannelAccessRefused):
            async with connection.channel() as channel:
                await channel.queue_delete(queue)


async def test_a_service_is_told_that_a_queue_has_other_arguments(broker: Broker) -> None:
    await broker.set_up()
    await broker.stage.delete_queue("event-log")
    await broker.stage.declare_queue("event-log", "quorum")
    async with RabbitStageAs(broker.stage, broker.url_of("command")).consumer(["event-log"]) as consumer:
        async with asyncio.timeout(10):
            while "other arguments" not in (consumer.trouble or ""):
                await asyncio.sleep(0.02)
        assert "queue 'event-log' exists with other arguments: PRECONDITION_FAILED" in (consumer.trouble or "")


async def test_a_client_has_queues_of_its_own(broker: Broker) -> None:
    await broker.set_up()
    async with await open_connection(broker.url_of("client")) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(f"subscriber.{broker.suffix}", exclusive=True)
        await queue.bind("events", "user.#")
        await channel.declare_queue("reply.alice", exclusive=True)
        await channel.declare_queue(exclusive=True)


async def test_a_queue_with_other_arguments_is_one_clear_line(broker: Broker) -> None:
    await broker.stage.declare_queue("commands.1", "classic")

    with pytest.raises(SetupError, match=r"queue 'commands\.1' exists with other arguments") as failed:
        await broker.set_up()

    assert "\n" not in str(failed.value)


async def test_partitions_can_grow_but_not_shrink(broker: Broker) -> None:
    await broker.set_up(broker.topology(partitions=2))
    await broker.set_up(broker.topology(partitions=4))

    with pytest.raises(SetupError, match=r"still feeds commands\.2, commands\.3"):
        await broker.set_up(broker.topology(partitions=2))


async def test_bindings_of_an_earlier_version_are_undone(broker: Broker) -> None:
    now = broker.topology()
    earlier = tuple(binding for binding in now.retired_bindings if binding.exchange == "commands")
    await broker.set_up(replace(now, bindings=earlier, exchange_bindings=(), retired_bindings=()))

    await broker.set_up()

    bound = await broker.stage.api.get("exchanges", broker.stage.vhost, "commands", "bindings", "source")
    assert [binding["destination"] for binding in bound] == ["commands.partitions"]


async def test_a_wrong_password_is_one_clear_line_without_it(broker: Broker) -> None:
    wrong = replace(broker, api_url=str(URL(broker.api_url).with_password("s3cr3t")))

    with pytest.raises(SetupError, match="name or password") as failed:
        await wrong.set_up()

    assert "s3cr3t" not in str(failed.value)


async def test_an_absent_broker_is_one_clear_line(broker: Broker) -> None:
    with pytest.raises(SetupError, match="can't be reached"):
        await replace(broker, api_url="http://admin:s3cr3t@127.0.0.1:1").set_up()


class RabbitStageAs(RabbitStage):
    """The same vhost as another user."""

    def __init__(self, stage: RabbitStage, url: str) -> None:
        super().__init__(stage.url, stage.api, stage.vhost, stage.path)
        self.url = url
