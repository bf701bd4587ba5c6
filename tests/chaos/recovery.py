"""Whether everything works again: processes ready, consumers on every queue, commands served."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import aio_pika
import aiohttp

from shared.messaging.opening import open_connection
from tests.chaos.chaos_stack import World
from tests.chaos.history import History

SERVICES = ("command", "query")
OURS = ("commands.", "projections.", "queries", "event-log", "dead-letters", "projection-control")
CONSUMERS_BACK_SECONDS = 15.0
GIVE_UP_SECONDS = 90.0
SILENT = "silent"


class NotRecoveredError(Exception):
    """Says what is still missing."""


async def recovered(world: World, history: History) -> tuple[float, str | None]:
    """Waits until it does; gives the seconds, from now, and what is wrong about how long it took.

    The consumers' 15 s count from when every process lives. Raises NotRecoveredError after 90 s.
    """
    began = time.monotonic()

    async def not_served() -> str | None:
        return None if history.last_served > began else "an outcome for a command sent since"

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        alive = await _until(lambda: troubled(world, session, "livez"), began, "processes alive")
        consuming = await _until(lambda: queues_short_of_consumers(world), began, "consumers")
        await _until(lambda: troubled(world, session, "readyz"), began, "readiness")
        recovered_at = await _until(not_served, began, "traffic")
    took = consuming - alive
    return recovered_at - began, f"consumers were back after {took:.1f} s" if took > CONSUMERS_BACK_SECONDS else None


async def _until(trouble: Callable[[], Awaitable[object]], began: float, what: str) -> float:
    """When there was none any more (monotonic seconds)."""
    while said := await trouble():
        if time.monotonic() - began > GIVE_UP_SECONDS:
            raise NotRecoveredError(f"{what} after {GIVE_UP_SECONDS:.0f} s: {said}")
        await asyncio.sleep(0.2)
    return time.monotonic()


async def troubled(world: World, session: aiohttp.ClientSession, path: str) -> dict[str, str]:
    """What each process says that does not answer 200, by its URL; "silent" where nothing answers."""

    async def look(url: str) -> tuple[str, str | None]:
        try:
            async with session.get(f"{url}/{path}") as response:
                return url, None if response.status == 200 else await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return url, SILENT

    urls = [url for service in SERVICES for url in world.stack.http_urls(service)]
    return {url: said for url, said in await asyncio.gather(*map(look, urls)) if said is not None}


async def queues_short_of_consumers(world: World) -> Mapping[str, int]:
    """Consumers of each queue that has fewer than it should have, counted by the queues themselves."""
    short: dict[str, int] = {"broker": 0}
    with suppress(Exception):
        async with asyncio.timeout(10):
            names = await queue_names(world)
            connection = await open_connection(f"{world.admin.amqp.removesuffix('/')}/cqrs", timeout=5)
            async with connection:
                channel = await connection.channel()
                counted = {name: await _consumers(channel, name) for name in names}
        short = {name: count for name, count in counted.items() if count < expected_consumers(world, name)}
    return short


def expected_consumers(world: World, queue: str) -> int:
    """One for each process; where there is a single active consumer, a queue counts no other."""
    if queue.startswith(("commands.", "projections.")):
        return 1
    layout = world.native.layout
    return layout.command_replicas if queue in ("event-log", "dead-letters") else layout.query_replicas


async def queue_names(world: World) -> list[str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.admin.rabbitmq_api}/api/queues/cqrs?columns=name") as response,
    ):
        response.raise_for_status()
        return [queue["name"] for queue in await response.json() if queue["name"].startswith(OURS)]


async def _consumers(channel: aio_pika.abc.AbstractChannel, queue: str) -> int:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.consumer_count or 0
