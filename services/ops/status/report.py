"""The state of the whole system in one picture."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from pymongo.errors import PyMongoError
from sqlalchemy.exc import SQLAlchemyError

from services.ops.errors import OpsError
from services.ops.settings import OpsSettings, required
from services.ops.status.parked import parked_by_model
from services.ops.status.queues import QueueState, missing_queues, queue_states
from services.ops.status.readiness import Readiness, readiness
from services.ops.status.write_side import WriteSide, write_side
from shared.messaging.management_api import ManagementApiError
from shared.runtime.errors import in_one_line

OUTBOX_PATIENCE_SECONDS = 60.0
"""The outbox is emptied within milliseconds; a message that waits longer than this is stuck."""

T = TypeVar("T")


@dataclass(frozen=True)
class Unavailable:
    """A part that could not be looked at, and why."""

    why: str


@dataclass(frozen=True)
class StatusReport:
    services: dict[str, Readiness]
    queues: list[QueueState] | Unavailable
    write_side: WriteSide | Unavailable
    parked: dict[str, int] | Unavailable

    @property
    def troubles(self) -> list[str]:
        """What does not work as it should; empty when all is well.

        Dead letters are none: each had its fate and waits for somebody to look at it, while the system goes on.
        """
        return [*_service_troubles(self.services), *_queue_troubles(self.queues), *self._store_troubles()]

    def _store_troubles(self) -> list[str]:
        troubles: list[str] = []
        if isinstance(self.write_side, Unavailable):
            troubles.append(f"PostgreSQL: {self.write_side.why}")
        elif self.write_side.oldest_seconds > OUTBOX_PATIENCE_SECONDS:
            troubles.append(f"outbox: a message has been waiting for {self.write_side.oldest_seconds:.0f} s")
        if isinstance(self.parked, Unavailable):
            troubles.append(f"MongoDB: {self.parked.why}")
        else:
            troubles += [f"read model {model}: {count} parked" for model, count in self.parked.items()]
        return troubles


async def status_report(settings: OpsSettings) -> StatusReport:
    """Looks at everything at once; takes a few seconds at most. Raises UsageError for a setting that is missing."""
    broker = required(settings, "amqp_url")
    command, query, queues, written, parked = await asyncio.gather(
        readiness(required(settings, "command_http_url")),
        readiness(required(settings, "query_http_url")),
        _or_unavailable(queue_states(required(settings, "rabbitmq_api_url"), broker)),
        _or_unavailable(write_side(required(settings, "postgres_url"))),
        _or_unavailable(parked_by_model(required(settings, "mongo_url"))),
    )
    return StatusReport({"command": command, "query": query}, queues, written, parked)


async def _or_unavailable(part: Awaitable[T]) -> T | Unavailable:
    try:
        return await part
    except (OSError, TimeoutError, ManagementApiError, aiohttp.ClientError, SQLAlchemyError, PyMongoError) as error:
        return Unavailable(in_one_line(error))
    except OpsError as error:
        return Unavailable(str(error))


def _service_troubles(services: dict[str, Readiness]) -> list[str]:
    troubles: list[str] = []
    for name, service in services.items():
        if service.unreachable:
            troubles.append(f"{name} service: {service.unreachable}")
        elif not service.ready:
            why = ", ".join(f"{check}: {trouble}" for check, trouble in service.troubles.items())
            troubles.append(f"{name} service is not ready: {why}")
        troubles += [f"{what}: {note}" for what, note in service.notes.items()]
    return troubles


def _queue_troubles(queues: list[QueueState] | Unavailable) -> list[str]:
    if isinstance(queues, Unavailable):
        return [f"RabbitMQ: {queues.why}"]
    lost = [f"queue {name} is missing" for name in missing_queues(queues)]
    idle = [queue.name for queue in queues if queue.consumers == 0]
    return [*lost, f"no consumer on {', '.join(idle)}"] if idle else lost
