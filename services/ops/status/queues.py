"""What waits in the broker's queues and who takes it, by the management API."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from services.ops.broker import operator_connection
from shared.messaging.management_api import ManagementApi
from shared.messaging.queue_probe import QueueProbe
from shared.messaging.topology import commands_queue, topology

_OF_CLIENTS = re.compile(r"(reply|subscriber)\.|amq\.")
_COMMANDS = re.compile(r"commands\.\d+")


@dataclass(frozen=True)
class QueueState:
    """`ready` messages wait, `unacknowledged` ones are being handled."""

    name: str
    ready: int
    unacknowledged: int
    consumers: int


async def queue_states(api_url: str, amqp_url: str) -> list[QueueState]:
    """The queues of the services, by name; those of clients are left out.

    Consumers are counted by asking each queue: the management API's counts are up to 5 s old, and a system that has
    just started would look as if nobody worked. Raises what ManagementApi raises, and OpsError.
    """
    async with ManagementApi(api_url) as api:
        queues = [
            queue for queue in await api.get("queues", vhost_of(amqp_url)) if not _OF_CLIENTS.match(queue["name"])
        ]
    async with operator_connection(amqp_url) as connection, QueueProbe(connection) as probe:
        consumers = {queue["name"]: await probe.consumers(queue["name"]) or 0 for queue in queues}
    states = (
        QueueState(
            name=queue["name"],
            # A queue that was just made, or whose node is down, has no counts.
            ready=queue.get("messages_ready", 0),
            unacknowledged=queue.get("messages_unacknowledged", 0),
            consumers=consumers[queue["name"]],
        )
        for queue in queues
    )
    return sorted(states, key=lambda state: state.name)


def missing_queues(states: list[QueueState]) -> list[str]:
    """Queues that the services need and the broker has not.

    How many partitions there are is the broker's to say; of which read models there are, the query service's readiness
    tells.
    """
    names = {state.name for state in states}
    needed = [queue.name for queue in topology().queues if not _COMMANDS.fullmatch(queue.name)]
    return [name for name in (*needed, commands_queue(0)) if name not in names]


def vhost_of(amqp_url: str) -> str:
    """`cqrs` for `amqp://host/cqrs`; `/` where the URL names none."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"
