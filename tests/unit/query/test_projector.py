import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from pymongo.errors import AutoReconnect

from services.query.domain_event import DomainEvent
from services.query.metrics import QueryMetrics
from services.query.projector.dead_letters import DeadLetters
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.incoming import read_event
from services.query.projector.projection import Tally
from services.query.projector.projector import Projector
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery
from shared.messaging.ports import PublishFailure
from shared.messaging.topology import topology
from tests.support.fake_broker import FakeBroker
from tests.support.projection_queues import PROJECTION_QUEUES
from tests.unit.query.given_events import created, delivery, renamed

QUEUE = "projections.users"


class Recording:
    """A projection that keeps what it is given, and fails as it is told."""

    name = "users"

    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self.calls = 0
        self.failures: list[Exception] = []
        self.held: asyncio.Event | None = None

    def read(self, delivery: Delivery) -> DomainEvent:
        return read_event(delivery)

    async def apply(self, messages: Sequence[DomainEvent]) -> Tally:
        self.calls += 1
        if self.held is not None:
            await self.held.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.written += [(event.aggregate_id, event.version) for event in messages]
        return Tally(applied=len(messages), newest=datetime.now(UTC))


class Scene:
    def __init__(self) -> None:
        self.broker = FakeBroker(topology(partitions=1, projections=PROJECTION_QUEUES))
        self.projection = Recording()
        self.registry = CollectorRegistry()
        self.consumer = self.broker.consumer([QUEUE], max_batch=10)
        self.projector = Projector(
            self.projection,
            self.consumer,
            DeadLetters(self.broker.publisher()),
            self.broker.replier(),
            QueryMetrics(self.registry),
            max_batch=20,
            backoff=Backoff(first=0.001, longest=0.01),
        )

    def publish(self, *events: DomainEvent) -> None:
        for event in events:
            self.broker.put(QUEUE, delivery(event))

    async def until_idle(self) -> None:
        """Returns when the queue is empty and everything is acknowledged."""
        async with asyncio.timeout(30):
            while self.broker.messages(QUEUE) or self.consumer._unacked:
                await asyncio.sleep(0.002)

    async def until(self, happens: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not happens():
                await asyncio.sleep(0.002)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"read_model": "users", **labels})


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    async with at_work(scene):
        yield scene


@asynccontextmanager
async def at_work(scene: Scene) -> AsyncIterator[None]:
    async with scene.consumer:
        work = asyncio.create_task(scene.projector.run())
        yield
        scene.projector.stop()
        await asyncio.wait_for(work, 5)


async def test_batches_are_written_in_order_and_acknowledged(scene: Scene) -> None:
    events = [step for n in range(50) for step in (created(f"u{n}"), renamed(f"u{n}", 2, "X"))]

    scene.publish(*events)
    await scene.until_idle()

    assert scene.projection.written == [(event.aggregate_id, event.version) for event in events]
    assert scene.metric("projection_events_total", result="applied") == 100
    assert scene.metric("projection_events_by_type_total", type="UserRenamed") == 50
    assert scene.projector.why_not() is None


@pytest.mark.parametrize("failure", [AutoReconnect("gone"), EventLogUnavailableError("gone"), ZeroDivisionError()])
async def test_a_batch_is_tried_until_it_is_written(scene: Scene, failure: Exception) -> None:
    scene.projection.failures = [failure] * 5

    scene.publish(created("alice"), renamed("alice", 2, "Al"))
    await scene.until_idle()

    assert scene.projection.written == [("alice", 1), ("alice", 2)]
    assert scene.metric("projection_retries_total", error=type(failure).__name__) == 5
    assert scene.broker.messages("dead-letters") == []


async def test_a_marker_is_answered_once_what_came_before_it_is_written(scene: Scene) -> None:
    scene.projection.held = asyncio.Event()
    scene.broker.declare_queue("reply.asker")
    scene.publish(created("alice"))
    scene.broker.put(QUEUE, delivery({}, type="ProjectionMarker", reply_to="reply.asker", correlation_id="first"))
    await asyncio.sleep(0.05)
    assert scene.broker.messages("reply.asker") == []

    scene.projection.held.set()
    await scene.until_idle()

    answers = scene.broker.messages("reply.asker")
    assert [(answer.type, answer.correlation_id) for answer in answers] == [("ProjectionMarkerPassed", "first")]
    assert scene.projection.written == [("alice", 1)]
    assert scene.broker.messages("dead-letters") == []


async def test_while_it_can_not_write_it_says_so_and_acknowledges_nothing(scene: Scene) -> None:
    scene.projection.failures = [AutoReconnect("gone")] * 1000
    scene.publish(created("alice"))
    await scene.until(scene.projector.why_not)

    trouble = scene.projector.why_not()
    assert trouble is not None
    assert trouble.startswith("users: attempt ")
    assert trouble.endswith("failed: AutoReconnect")
    assert len(scene.consumer._unacked) == 1

    scene.projection.failures = []
    await scene.until_idle()
    assert scene.projector.why_not() is None


async def test_a_batch_whose_channel_is_gone_is_left_to_redelivery(scene: Scene) -> None:
    scene.projection.failures = [AutoReconnect("gone")] * 1000
    scene.publish(created("alice"))
    await scene.until(scene.projector.why_not)

    scene.broker.drop_connections()
    scene.projection.failures = []
    await scene.until_idle()

    assert scene.projection.written == [("alice", 1)]
    assert scene.metric("projection_batches_abandoned_total") == 1


async def test_what_is_written_after_its_channel_went_comes_again_and_is_harmless(scene: Scene) -> None:
    scene.projection.held = asyncio.Event()
    scene.publish(created("alice"))
    await scene.until(lambda: scene.projection.calls)
    scene.broker.drop_connections()
    scene.projection.held.set()
    await scene.until_idle()

    assert scene.projection.written == [("alice", 1), ("alice", 1)]


async def test_what_is_no_event_becomes_a_dead_letter_with_its_reason(scene: Scene) -> None:
    poison = delivery(b"not json", message_id="m-1", type="UserCreated", headers={"aggregate-id": "x", "odd": [1]})
    scene.publish(created("alice"))
    scene.broker.put(QUEUE, poison)
    scene.publish(created("bob"))
    await scene.until_idle()

    assert scene.projection.written == [("alice", 1), ("bob", 1)]
    (letter,) = scene.broker.messages("dead-letters")
    assert (letter.body, letter.message_id, letter.type) == (b"not json", "m-1", "UserCreated")
    assert letter.headers["dead-letter-reason"] == "invalid_message"
    assert letter.headers["dead-letter-queue"] == QUEUE
    assert letter.headers["aggregate-id"] == "x"
    assert "odd" not in letter.headers


async def test_poison_is_kept_until_the_broker_has_it(scene: Scene) -> None:
    scene.broker.fail_publishes(PublishFailure.UNCONFIRMED)
    scene.broker.put(QUEUE, delivery(b"not json"))
    await scene.until(scene.projector.why_not)
    assert len(scene.consumer._unacked) == 1

    scene.broker.fail_publishes(None)
    await scene.until_idle()
    assert len(scene.broker.messages("dead-letters")) == 1


async def test_while_one_batch_is_written_the_next_one_gathers(scene: Scene) -> None:
    scene.projection.held = asyncio.Event()
    for n in range(18):
        scene.publish(created(f"u{n}"))
        await asyncio.sleep(0.01)
    assert scene.projection.calls == 1

    scene.projection.held.set()
    await scene.until_idle()

    assert scene.projection.calls == 2
    assert [user for user, _ in scene.projection.written] == [f"u{n}" for n in range(18)]


async def test_what_gathers_is_bounded(scene: Scene) -> None:
    scene.projection.held = asyncio.Event()
    scene.publish(*[created(f"u{n}") for n in range(300)])
    await scene.until(lambda: len(scene.projector._gathered.deliveries) >= 20)
    await asyncio.sleep(0.1)

    assert len(scene.projector._gathered.deliveries) == 20

    scene.projection.held.set()
    await scene.until_idle()
    assert len(scene.projection.written) == 300


async def test_told_to_stop_it_finishes_what_it_holds_and_gives_the_rest_back() -> None:
    scene = Scene()
    async with at_work(scene):
        scene.projection.held = asyncio.Event()
        scene.publish(*[created(f"u{n}") for n in range(100)])
        await scene.until(lambda: scene.projection.calls)
        scene.projector.stop()
        scene.projection.held.set()

    done = len(scene.projection.written)
    assert 10 <= done <= 50
    assert [message.redelivered for message in scene.broker.messages(QUEUE)] == [True] * (100 - done)


async def test_told_to_stop_while_it_can_not_write_it_stops_and_gives_all_back() -> None:
    scene = Scene()
    async with at_work(scene):
        scene.projection.failures = [AutoReconnect("gone")] * 1000
        scene.publish(created("alice"))
        await scene.until(scene.projector.why_not)

    assert scene.projection.written == []
    assert len(scene.broker.messages(QUEUE)) == 1


async def test_an_unknown_type_is_counted_as_such(scene: Scene) -> None:
    message = delivery(created("alice"), type="x" * 200)
    scene.broker.put(QUEUE, message)
    await scene.until_idle()

    assert scene.metric("projection_events_by_type_total", type="unknown") == 1
