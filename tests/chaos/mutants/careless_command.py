"""Command services as careless teams write them: each function here puts one mistake into the real one.

They change the classes and modules of this process before it starts; the product knows nothing of them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.command import bootstrap
from services.command.outbox_sweep import OutboxSweep, _alone
from services.command.pipeline.completion import Completion
from services.command.pipeline.pipeline import Pipeline
from services.command.pipeline.transaction import BatchTransaction, Committed
from services.command.postgres import inbox, outbox
from services.command.postgres.failures import is_transient
from services.command.postgres.reading import read_together
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.ports import PublishFailure
from shared.messaging.publisher import AmqpPublisher
from tests.chaos.mutants.eager_consumer import EagerConsumer
from tests.chaos.mutants.patching import put


def ack_before_commit() -> None:
    """Acknowledges when a message arrives ("we have it now"), not when its effect is safe."""
    put(bootstrap, "AmqpBatchConsumer", EagerConsumer)


def no_inbox() -> None:
    """Keeps outcomes for the record, but never asks whether a command has been processed before."""

    def remembers_nothing(_: object) -> dict[UUID, Any]:
        return {}

    async def keeps_what_is_new(self: Any, connection: Any, decision: Any, *arguments: Any) -> Any:
        (rows,) = await read_together(connection, [inbox.reading(decision.processed.keys())])
        known = really_known(rows)
        decision.processed = {key: decision.processed[key] for key in decision.processed.keys() - known.keys()}
        return await really_write(self, connection, decision, *arguments)

    really_known, really_write = inbox.known, BatchTransaction._write
    put(inbox, "known", remembers_nothing)
    put(BatchTransaction, "_write", keeps_what_is_new)


def last_id_cursor() -> None:
    """Publishes from the outbox by `id > last`, which skips rows that were given their id first and commit later.

    Partitions commit side by side here, as they do in several processes, and each says COMMIT when it has seen what it
    has written; that alone would be right.
    """

    def begin(self: Any, engine: AsyncEngine, *arguments: Any, **named: Any) -> None:
        really_begin(self, engine, *arguments, **named)
        self._engine = SimpleNamespace(connect=engine.begin)

    async def leaves_it_to_the_relay(*_: object) -> list[int]:
        return []

    async def relay(self: Any, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self._engine.connect() as connection, _alone(connection) as alone:
                    await follow(self, connection, stop) if alone else await asyncio.sleep(1)
            except Exception as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(1)

    async def follow(self: Any, connection: Any, stop: asyncio.Event) -> None:
        last = 0
        while not stop.is_set():
            page = await outbox.overdue(connection, grace=0.0, after=last, limit=500)
            failures = await self._publisher.publish([message.envelope for message in page])
            if page and not any(failures):
                last = page[-1].id
                await outbox.clear(connection, [message.id for message in page])
            await asyncio.sleep(0.01)

    async def side_by_side(self: Any) -> None:
        lanes: dict[str, asyncio.Queue[list[Delivery]]] = {}
        async with asyncio.TaskGroup() as tasks:
            workers = []
            async for deliveries in self._consumer.batches():
                for name, lane in groupby(sorted(deliveries, key=attrgetter("queue")), attrgetter("queue")):
                    if name not in lanes:
                        lanes[name] = asyncio.Queue()
                        workers.append(tasks.create_task(work(self, lanes[name])))
                    lanes[name].put_nowait(list(lane))
            for worker in workers:
                worker.cancel()

    async def work(self: Any, lane: "asyncio.Queue[list[Delivery]]") -> None:
        while True:
            arrivals = [self._receive(delivery) for delivery in await lane.get()]
            async for committed in self._execution.run(arrivals):
                await self._completion.run(committed)

    really_begin = BatchTransaction.__init__
    put(BatchTransaction, "__init__", begin)
    put(Pipeline, "run", side_by_side)
    put(Completion, "_publish", leaves_it_to_the_relay)
    put(OutboxSweep, "run", relay)


def publish_without_confirms() -> None:
    """Fire and forget: an event counts as published once it is handed to the library."""
    sending: set[asyncio.Task[Any]] = set()

    class FireAndForget(AmqpPublisher):
        async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
            task = asyncio.create_task(super().publish(envelopes))
            sending.add(task)
            task.add_done_callback(sending.discard)
            return [None] * len(envelopes)

    put(bootstrap, "AmqpPublisher", FireAndForget)


def mandatory_off() -> None:
    """Publishes without `mandatory`: the broker confirms, and drops, what no queue is bound for."""

    class NotMandatory(AmqpPublisher):
        async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
            failures = await super().publish(envelopes)
            return [None if failure is PublishFailure.UNROUTABLE else failure for failure in failures]

    put(bootstrap, "AmqpPublisher", NotMandatory)


def reply_before_commit() -> None:
    """Tells the client as soon as it is decided, to be quick; the commit follows."""
    completions: list[Any] = []
    really_begin, really_reply, really_write = Completion.__init__, Completion._reply, BatchTransaction._write

    def begin(self: Any, *arguments: Any, **named: Any) -> None:
        completions.append(self)
        really_begin(self, *arguments, **named)

    async def reply_and_write(self: Any, connection: Any, decision: Any, *arguments: Any) -> Any:
        await really_reply(completions[0], decision.replies)
        return await really_write(self, connection, decision, *arguments)

    async def has_replied(*_: object) -> None:
        return None

    put(Completion, "__init__", begin)
    put(Completion, "_reply", has_replied)
    put(BatchTransaction, "_write", reply_and_write)


def task_per_message() -> None:
    """Handles each message in a task of its own, for speed: whoever is first at the row wins."""

    async def run(self: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            async for deliveries in self._consumer.batches():
                for delivery in deliveries:
                    tasks.create_task(handle(self, delivery))

    async def handle(self: Any, delivery: Delivery) -> None:
        async for committed in self._execution.run([self._receive(delivery)]):
            await self._completion.run(committed)

    put(Pipeline, "run", run)


def cleared_before_confirm() -> None:
    """Takes messages out of the outbox, then publishes them: what the broker doesn't get by then is gone."""
    really_run = Completion.run

    async def run(self: Any, batch: Committed) -> None:
        await self._clear([message.id for message in batch.promised])
        await really_run(self, batch)

    put(Completion, "run", run)


def poison_dropped() -> None:
    """Logs a message that can't be read, acknowledges it, and goes on."""

    async def write(self: Any, connection: Any, decision: Any, *arguments: Any) -> Any:
        decision.letters.clear()
        return await really_write(self, connection, decision, *arguments)

    really_write = BatchTransaction._write
    put(BatchTransaction, "_write", write)


CARELESS: Mapping[str, Callable[[], None]] = {
    "ack-before-commit": ack_before_commit,
    "no-inbox": no_inbox,
    "last-id-cursor": last_id_cursor,
    "publish-without-confirms": publish_without_confirms,
    "mandatory-off": mandatory_off,
    "reply-before-commit": reply_before_commit,
    "task-per-message": task_per_message,
    "cleared-before-confirm": cleared_before_confirm,
    "poison-dropped": poison_dropped,
}
