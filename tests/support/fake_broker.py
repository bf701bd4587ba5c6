"""A broker in memory, with the ports of shared/messaging/ports.py. It passes the same conformance suite as RabbitMQ."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import TracebackType
from typing import Self

from shared.messaging.envelope import Delivery, Envelope, Receipt
from shared.messaging.ports import PublishFailure
from shared.messaging.topology import Topology


@dataclass(slots=True)
class FakeQueue:
    name: str
    ready: deque[Delivery] = field(default_factory=deque)

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        self.ready.extendleft(replace(delivery, redelivered=True) for delivery in reversed(deliveries))


class FakeBroker:
    """Routes by exchange type, keeps each queue's order, redelivers what was not acknowledged when connections drop.

    `broker = FakeBroker(topology())`, or `FakeBroker()` and `declare_queue("q")`; then `broker.publisher()`,
    `broker.consumer(["q"])`, `broker.replier()`. Look at `broker.messages("q")`; `broker.drop_connections()` is a
    broker restart; `broker.fail_publishes(reason)` makes publishing fail until it is called with None.
    """

    def __init__(self, topology: Topology | None = None) -> None:
        self.queues: dict[str, FakeQueue] = {}
        self.consumers: list[FakeBatchConsumer] = []
        self.published: list[Envelope] = []
        self.publish_failure: PublishFailure | None = None
        self._exchanges: dict[str, str] = {}
        self._bindings: dict[str, list[tuple[str, str]]] = {}
        self._onward: dict[str, str] = {}
        """The one exchange to which another passes on all that it gets."""
        self._sessions = count(1)
        if topology is not None:
            self.declare(topology)

    def declare(self, topology: Topology) -> None:
        for exchange in topology.exchanges:
            self._exchanges[exchange.name] = exchange.type
        for queue in topology.queues:
            self.declare_queue(queue.name)
        for binding in topology.bindings:
            self._bindings.setdefault(binding.exchange, []).append((binding.queue, binding.routing_key))
        for between in topology.exchange_bindings:
            self._onward[between.source] = between.destination

    def declare_queue(self, name: str) -> None:
        self.queues.setdefault(name, FakeQueue(name))

    def delete_queue(self, name: str) -> None:
        self.queues.pop(name, None)

    def messages(self, queue: str) -> list[Delivery]:
        """What waits in a queue; what a consumer holds is not in it."""
        return list(self.queues[queue].ready)

    def put(self, queue: str, delivery: Delivery) -> None:
        """Puts a message straight into a queue, undecodable ones too."""
        self.queues[queue].ready.append(replace(delivery, queue=queue, redelivered=False))
        self._wake()

    def publish(self, envelope: Envelope) -> bool:
        """Routes one message; False when no queue wants it."""
        targets = self._route(envelope)
        for name in targets:
            self.queues[name].ready.append(_arrived(envelope, name))
        if targets:
            self.published.append(envelope)
        self._wake()
        return bool(targets)

    def fail_publishes(self, failure: PublishFailure | None) -> None:
        self.publish_failure = failure

    def drop_connections(self) -> None:
        """Everything unacknowledged goes back to the head of its queue; consumers come back by themselves."""
        for consumer in self.consumers:
            consumer.reconnect()
        self._wake()

    def publisher(self) -> "FakePublisher":
        return FakePublisher(self)

    def replier(self) -> "FakeReplier":
        return FakeReplier(self)

    def consumer(
        self, queues: Sequence[str], *, prefetch: int = 500, max_batch: int = 500, linger: float = 0.005
    ) -> "FakeBatchConsumer":
        consumer = FakeBatchConsumer(self, queues, prefetch=prefetch, max_batch=max_batch, linger=linger)
        self.consumers.append(consumer)
        return consumer

    def next_session(self) -> int:
        return next(self._sessions)

    def _wake(self) -> None:
        for consumer in self.consumers:
            consumer.fetch()

    def _route(self, envelope: Envelope) -> list[str]:
        if envelope.exchange == "":
            return [envelope.routing_key] if envelope.routing_key in self.queues else []
        exchange = self._onward.get(envelope.exchange, envelope.exchange)
        bindings = self._bindings.get(exchange, [])
        kind = self._exchanges.get(exchange)
        if kind == "x-modulus-hash":
            queues = sorted({queue for queue, _ in bindings if queue in self.queues})
            return [queues[sum(envelope.routing_key.encode()) % len(queues)]] if queues else []
        wanted = [queue for queue, key in bindings if _matches(kind, key, envelope.routing_key)]
        return [queue for queue in dict.fromkeys(wanted) if queue in self.queues]


class FakeBatchConsumer:
    """See BatchConsumer; `halt` and the context manager are those of AmqpBatchConsumer."""

    def __init__(
        self, broker: FakeBroker, queues: Sequence[str], *, prefetch: int, max_batch: int, linger: float
    ) -> None:
        self._broker = broker
        self._queues = list(queues)
        self._prefetch = prefetch
        self._max_batch = max_batch
        self._linger = linger
        self._buffer: deque[Delivery] = deque()
        self._unacked: dict[int, Delivery] = {}
        self._session = broker.next_session()
        self._tags = count(1)
        self._arrival = asyncio.Event()
        self._stopped = False
        self.trouble: str | None = None

    async def __aenter__(self) -> Self:
        self.fetch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.halt()
        self._give_everything_back()
        self._broker.consumers.remove(self)

    async def batches(self) -> AsyncIterator[list[Delivery]]:
        self.fetch()
        while True:
            if not self._buffer:
                if self._stopped:
                    return
                self._arrival.clear()
                await self._arrival.wait()
                continue
            if len(self._buffer) < self._max_batch and not self._stopped:
                await asyncio.sleep(self._linger)
            batch = [self._buffer.popleft() for _ in range(min(self._max_batch, len(self._buffer)))]
            if batch:
                yield batch

    async def ack(self, deliveries: Sequence[Receipt]) -> None:
        for delivery in deliveries:
            if self.is_current(delivery):
                self._unacked.pop(delivery.delivery_tag, None)
        self.fetch()

    @property
    def unacked(self) -> int:
        """How many messages it holds."""
        return len(self._unacked)

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        given_back: dict[str, list[Delivery]] = {}
        for delivery in sorted(deliveries, key=lambda delivery: delivery.delivery_tag):
            if self.is_current(delivery) and delivery.delivery_tag in self._unacked:
                del self._unacked[delivery.delivery_tag]
                given_back.setdefault(delivery.queue, []).append(delivery)
        for queue, returned in given_back.items():
            if queue in self._broker.queues:
                self._broker.queues[queue].give_back(returned)
        self.fetch()

    def is_current(self, delivery: Receipt) -> bool:
        return delivery.session == self._session

    async def stop(self) -> None:
        self._stopped = True
        self._arrival.set()

    def halt(self) -> None:
        self._stopped = True
        self._buffer.clear()
        self._arrival.set()

    def reconnect(self) -> None:
        self._buffer.clear()
        self._give_everything_back()
        self._session = self._broker.next_session()
        self._tags = count(1)

    def fetch(self) -> None:
        """Takes what the prefetch allows; the broker calls it when something arrived."""
        if self._stopped:
            return
        for name in self._queues:
            queue = self._broker.queues.get(name)
            held = sum(delivery.queue == name for delivery in self._unacked.values())
            while queue and queue.ready and held < self._prefetch:
                held += 1
                delivery = replace(
                    queue.ready.popleft(),
                    session=self._session,
                    delivery_tag=next(self._tags),
                    received_at=time.monotonic(),
                )
                self._unacked[delivery.delivery_tag] = delivery
                self._buffer.append(delivery)
        if self._buffer:
            self._arrival.set()

    def _give_everything_back(self) -> None:
        for name in self._queues:
            if name in self._broker.queues:
                self._broker.queues[name].give_back([d for d in self._unacked.values() if d.queue == name])
        self._unacked.clear()


class FakePublisher:
    """See Publisher."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.trouble: str | None = None

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
        await asyncio.sleep(0)
        if self._broker.publish_failure is not None:
            return [self._broker.publish_failure] * len(envelopes)
        return [None if self._broker.publish(envelope) else PublishFailure.UNROUTABLE for envelope in envelopes]


class FakeReplier:
    """See Replier. What it was given is in `sent`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.sent: list[Envelope] = []
        self.trouble: str | None = None

    async def reply(self, replies: Sequence[Envelope]) -> None:
        await asyncio.sleep(0)
        self.sent.extend(replies)
        for reply in replies:
            self._broker.publish(reply)


def _arrived(envelope: Envelope, queue: str) -> Delivery:
    return Delivery(
        queue=queue,
        session=0,
        delivery_tag=0,
        redelivered=False,
        exchange=envelope.exchange,
        routing_key=envelope.routing_key,
        body=envelope.body,
        type=envelope.type,
        message_id=envelope.message_id,
        content_type=envelope.content_type,
        content_encoding=envelope.content_encoding,
        user_id=envelope.user_id,
        headers=dict(envelope.headers),
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        expiration=None if envelope.expiration_ms is None else str(envelope.expiration_ms),
        timestamp=envelope.timestamp,
    )


def _matches(kind: str | None, pattern: str, key: str) -> bool:
    return _topic_matches(pattern.split("."), key.split(".")) if kind == "topic" else pattern == key


def _topic_matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_topic_matches(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _topic_matches(pattern[1:], words[1:])
