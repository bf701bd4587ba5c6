"""The pipeline on a real database and a broker in memory: for faults that a real broker would not have on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from services.command.bootstrap import STORES, command_bus, utc_now
from services.command.command_bus import CommandBus
from services.command.metrics import CommandMetrics
from services.command.outbox_sweep import OutboxSweep
from services.command.pipeline.clearing import Clearing
from services.command.pipeline.completion import Completion
from services.command.pipeline.execution import Execution
from services.command.pipeline.pipeline import Pipeline
from services.command.pipeline.reception import receive_command
from services.command.pipeline.transaction import BatchTransaction
from services.command.postgres.engine import postgres_engine
from services.command.postgres.outage import Outage
from shared.messaging.topology import EVENTS, OUTCOMES, Binding, Exchange, Queue, Topology
from tests.support.fake_broker import FakeBroker

QUEUE = "commands.0"
TOPOLOGY = Topology(
    exchanges=(Exchange(EVENTS, "topic"), Exchange(OUTCOMES, "topic")),
    queues=(Queue(QUEUE), Queue("events"), Queue("outcomes"), Queue("reply.me")),
    bindings=(Binding(EVENTS, "events", "#"), Binding(OUTCOMES, "outcomes", "#")),
)


@dataclass
class Parts:
    broker: FakeBroker
    engine: AsyncEngine
    transaction: BatchTransaction
    metrics: CommandMetrics

    def sweep(self, *, grace: float = 0.0, page: int = 500) -> OutboxSweep:
        outage = Outage("sweep", asyncio.Event())
        publisher = self.broker.publisher()
        return OutboxSweep(self.engine, publisher, outage, grace=grace, interval=0.05, page=page, metrics=self.metrics)

    @asynccontextmanager
    async def processing(self, bus: CommandBus | None = None, *, max_batch: int = 500) -> AsyncIterator[None]:
        """Takes commands from QUEUE inside the block; what has been taken is complete at its end."""
        bus = bus or command_bus()
        transaction = BatchTransaction(self.engine, bus, STORES, clock=utc_now, new_id=uuid7)
        stopping = asyncio.Event()
        async with self.broker.consumer([QUEUE], max_batch=max_batch) as consumer:
            execution = Execution(
                transaction,
                Outage("commands", stopping),
                is_current=consumer.is_current,
                stopping=stopping,
                metrics=self.metrics,
            )
            clearing = Clearing(self.engine)
            completion = Completion(
                self.engine, self.broker.publisher(), self.broker.replier(), consumer, clearing, metrics=self.metrics
            )
            pipeline = Pipeline(consumer, partial(receive_command, bus), execution, completion, batch_size=max_batch)
            running = asyncio.create_task(pipeline.run())
            clears = asyncio.create_task(clearing.run())
            try:
                yield
            finally:
                await consumer.stop()
                await asyncio.wait_for(running, 20)
                clearing.end()
                await asyncio.wait_for(clears, 20)


@asynccontextmanager
async def parts(database: str) -> AsyncIterator[Parts]:
    async with postgres_engine(database, application_name="command-parts") as engine:
        transaction = BatchTransaction(engine, command_bus(), STORES, clock=utc_now, new_id=uuid7)
        yield Parts(FakeBroker(TOPOLOGY), engine, transaction, CommandMetrics())
