"""Queues deleted, and declared again by the set-up job."""

import asyncio
from collections.abc import Sequence
from random import Random
from urllib.parse import quote

import aiohttp

from tests.chaos.chaos_stack import World
from tests.chaos.faults.broker_alarm import publishers_blocked
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.chaos.recovery import queue_names

REQUESTS = ("queries", "event-log", "projection-control")
"""What is in them is asked again by who gets no answer."""
EMPTY_SECONDS = 7.0
"""The management's numbers are up to 5 s old."""
PATIENCE_SECONDS = 40.0


class QueuesDeleted(Base):
    """With what is in them."""

    def __init__(self, name: str, queues: Sequence[str], rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 4))
        self._queues = queues

    async def inject(self, world: World) -> None:
        await _delete(world, self._queues)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.native.set_up)


class EmptyProjectionQueueDeleted(Base):
    """While nobody can publish, once all of it is done: then no event is lost with it."""

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 3))
        self._rng = rng

    async def inject(self, world: World) -> None:
        names = await queue_names(world)
        queue = self._rng.choice(sorted(name for name in names if name.startswith("projections.")))
        async with publishers_blocked(world):
            if await _is_empty(world, queue):
                await _delete(world, [queue])
                await asyncio.to_thread(world.native.set_up)
            else:
                self.name += NOT_REACHED

    async def heal(self, world: World) -> None:
        """It was declared again before anything could be published."""


async def _delete(world: World, queues: Sequence[str]) -> None:
    async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
        for queue in queues:
            async with api.delete(f"/api/queues/cqrs/{quote(queue, safe='')}") as response:
                assert response.status == 204


async def _is_empty(world: World, queue: str) -> bool:
    """Waits until it has been for some seconds, unacknowledged messages included."""
    empty_for, look = 0.0, 0.5
    async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
        for _ in range(int(PATIENCE_SECONDS / look)):
            async with api.get(f"/api/queues/cqrs/{quote(queue, safe='')}") as response:
                response.raise_for_status()
                messages = (await response.json()).get("messages")
            empty_for = empty_for + look if messages == 0 else 0.0
            if empty_for >= EMPTY_SECONDS:
                return True
            await asyncio.sleep(look)
    return False
