"""Builds the command service. The only place that does: main, tests and benchmarks all call it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.command_bus import CommandBus
from services.command.event_log import EventLog
from services.command.handlers.create_user import create_user
from services.command.handlers.deactivate_user import deactivate_user
from services.command.handlers.reactivate_user import reactivate_user
from services.command.handlers.rename_user import rename_user
from services.command.handlers.update_user_email import update_user_email
from services.command.ids import new_id
from services.command.metrics import CommandMetrics
from services.command.outbox_sweep import OutboxSweep
from services.command.pipeline.clearing import Clearing
from services.command.pipeline.completion import Completion
from services.command.pipeline.dead_letter_reception import receive_dead_letter
from services.command.pipeline.execution import Execution
from services.command.pipeline.pipeline import Pipeline, Receive
from services.command.pipeline.reception import receive_command
from services.command.pipeline.transaction import BatchTransaction
from services.command.postgres.engine import FORGETFUL, SERVER_SETTINGS, postgres_engine
from services.command.postgres.outage import Outage
from services.command.postgres.schema_check import check_schema
from services.command.postgres.users import UserStore
from services.command.settings import CommandSettings
from shared.contracts.commands import CreateUser, DeactivateUser, ReactivateUser, RenameUser, UpdateUserEmail
from shared.messaging.arrival_rate import ArrivalRate
from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.replier import AmqpReplier
from shared.messaging.responder import Responder
from shared.messaging.topology import DEAD_LETTERS, EVENT_LOG, commands_queues
from shared.runtime.background import BackgroundTasks
from shared.runtime.health import Health
from shared.runtime.metrics import new_registry

DEAD_LETTER_BATCH = 100
REQUEST_PREFETCH = 32
COMMANDS_BUSY = 2000.0
"""Commands a second from which on batches gather as long as they may; with half as many, for seven tenths of that."""


def command_bus() -> CommandBus:
    """Every command that the service takes."""
    bus = CommandBus()
    bus.register(CreateUser, create_user)
    bus.register(UpdateUserEmail, update_user_email)
    bus.register(RenameUser, rename_user)
    bus.register(DeactivateUser, deactivate_user)
    bus.register(ReactivateUser, reactivate_user)
    return bus


STORES = (UserStore(),)
"""One for each type of aggregate."""


@dataclass(frozen=True, slots=True)
class CommandService:
    health: Health
    registry: CollectorRegistry
    _stopping: asyncio.Event
    _consumers: Sequence[AmqpBatchConsumer]
    _pipelines: Sequence[Pipeline]
    _clearing: Clearing
    _sweep: OutboxSweep
    _responder: Responder

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`; then takes nothing more, finishes what it has in hand, and returns."""
        async with BackgroundTasks(stop) as tasks:
            clearing = tasks.start(self._clearing.run(), name="clear the outbox")
            running = [
                *(tasks.start(pipeline.run(), name="pipeline") for pipeline in self._pipelines),
                tasks.start(self._sweep.run(self._stopping), name="outbox sweep"),
                tasks.start(self._responder.run(), name="event log"),
            ]
            await stop.wait()
            self._stopping.set()
            for consumer in self._consumers:
                consumer.halt()
            await self._responder.stop()
            await asyncio.wait(running)
            self._clearing.end()
            await asyncio.wait([clearing])


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def bootstrap(
    settings: CommandSettings,
    *,
    clock: Callable[[], datetime] = utc_now,
    new_id: Callable[[], UUID] = new_id,
) -> AsyncIterator[CommandService]:
    """The service, connected and not yet running; closed at the end.

    Raises StartupError or BrokerRefusedError where a server refuses us. One that is not there yet is waited for.
    """
    registry = new_registry()
    metrics, messaging = CommandMetrics(registry), MessagingMetrics(registry)
    health = Health()
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(postgres_engine(settings.postgres, application_name="command"))
        await check_schema(engine)
        forgetful = await stack.enter_async_context(
            postgres_engine(
                settings.postgres,
                application_name="command: outbox",
                pool_size=1,
                settings={**SERVER_SETTINGS, **FORGETFUL},
            )
        )
        clearing = Clearing(forgetful)

        async def connection(purpose: str) -> SupervisedConnection:
            connected = SupervisedConnection(
                settings.amqp, name=f"command: {purpose}", path=settings.transport, metrics=messaging
            )
            return await stack.enter_async_context(connected)

        consuming, publishing, replying = [await connection(it) for it in ("consume", "publish", "reply")]
        publisher = await stack.enter_async_context(
            AmqpPublisher(publishing, timeout=settings.publish_timeout, metrics=messaging)
        )
        replier = await stack.enter_async_context(AmqpReplier(replying, metrics=messaging))

        async def consumer(queues: Sequence[str], *, prefetch: int, max_batch: int) -> AmqpBatchConsumer:
            consuming_from = AmqpBatchConsumer(
                consuming,
                queues,
                prefetch=prefetch,
                max_batch=max_batch,
                linger=settings.batch_linger,
                arrivals=ArrivalRate(busy=COMMANDS_BUSY, power=0.5),
                rest=True,
                metrics=messaging,
            )
            return await stack.enter_async_context(consuming_from)

        bus = command_bus()
        transaction = BatchTransaction(engine, bus, STORES, clock=clock, new_id=new_id)

        def pipeline(name: str, source: AmqpBatchConsumer, receive: Receive, batch_size: int) -> Pipeline:
            outage = Outage(name, stopping)
            health.add(f"database: {name}", lambda: outage.trouble)
            health.add(f"consumer: {name}", lambda: source.trouble)
            execution = Execution(transaction, outage, is_current=source.is_current, stopping=stopping, metrics=metrics)
            completion = Completion(engine, publisher, replier, source, clearing, metrics=metrics)
            return Pipeline(source, receive, execution, completion, batch_size=batch_size)

        commands = await consumer(
            commands_queues(settings.partitions), prefetch=settings.prefetch, max_batch=settings.batch_size
        )
        letters = await consumer([DEAD_LETTERS], prefetch=DEAD_LETTER_BATCH, max_batch=DEAD_LETTER_BATCH)
        requests = await consumer([EVENT_LOG], prefetch=REQUEST_PREFETCH, max_batch=REQUEST_PREFETCH)
        health.add("consumer: event log", lambda: requests.trouble)
        health.add("publisher", lambda: publisher.trouble)
        health.add("replies", lambda: replier.trouble)
        pipelines = [
            pipeline("commands", commands, partial(receive_command, bus), settings.batch_size),
            pipeline("dead letters", letters, partial(receive_dead_letter, bus), DEAD_LETTER_BATCH),
        ]
        yield CommandService(
            health=health,
            registry=registry,
            _stopping=stopping,
            _consumers=(commands, letters),
            _pipelines=pipelines,
            _clearing=clearing,
            _sweep=_sweep(engine, publisher, stopping, settings, metrics, health),
            _responder=Responder(requests, replier, EventLog(engine), metrics=messaging),
        )


def _sweep(
    engine: AsyncEngine,
    publisher: AmqpPublisher,
    stopping: asyncio.Event,
    settings: CommandSettings,
    metrics: CommandMetrics,
    health: Health,
) -> OutboxSweep:
    outage = Outage("outbox sweep", stopping)
    health.add("database: outbox sweep", lambda: outage.trouble)
    return OutboxSweep(
        engine, publisher, outage, grace=settings.outbox_grace, interval=settings.outbox_interval, metrics=metrics
    )
