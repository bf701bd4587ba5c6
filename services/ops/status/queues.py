"""What waits in the broker's queues and who takes it, by the management API."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from shared.messaging.topology import commands_queue, topology

PATIENCE = aiohttp.ClientTimeout(total=5.0)
_OF_CLIENTS = re.compile(r"(reply|subscriber)\.|amq\.")
_COMMANDS = re.compile(r"commands\.\d+")


@dataclass(frozen=True)
class QueueState:
    """`ready` messages wait, `unacknowledged` ones are being handled."""

    name: str
    ready: int
    unacknowledged: int
    consumers: int


async def queue_states(api_url: str, vhost: str) -> list[QueueState]:
    """The queues of the services, by name; those of clients are left out. Raises aiohttp.ClientError, TimeoutError."""
    url = urlsplit(api_url)
    user, password = unquote(url.username or ""), unquote(url.password or "")
    host = url.netloc.rpartition("@")[2]
    async with (
        aiohttp.ClientSession(timeout=PATIENCE, auth=aiohttp.BasicAuth(user, password)) as http,
        http.get(f"{url.scheme}://{host}/api/queues/{quote(vhost, safe='')}", raise_for_status=True) as reply,
    ):
        queues = _QUEUES.validate_json(await reply.read())
    return sorted(
        (
            QueueState(queue.name, queue.messages_ready, queue.messages_unacknowledged, queue.consumers)
            for queue in queues
            if not _OF_CLIENTS.match(queue.name)
        ),
        key=lambda queue: queue.name,
    )


def missing_queues(states: list[QueueState]) -> list[str]:
    """Queues that the services need and the broker has not. How many partitions there are is the broker's to say."""
    names = {queue.name for queue in states}
    needed = [queue.name for queue in topology().queues if not _COMMANDS.fullmatch(queue.name)]
    return [name for name in (*needed, commands_queue(0)) if name not in names]


def vhost_of(amqp_url: str) -> str:
    """`cqrs` for `amqp://host/cqrs`; `/` where the URL names none."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


@validated
class _Queue:
    """A queue that was just made or lost its node has no counts yet."""

    name: str
    messages_ready: int = 0
    messages_unacknowledged: int = 0
    consumers: int = 0


_QUEUES = TypeAdapter(list[_Queue])
