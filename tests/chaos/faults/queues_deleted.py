"""Queues deleted, and declared again by the set-up job."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from urllib.parse import quote

import aiohttp

from services.query.bootstrap import READ_MODELS
from services.query.read_model import FEED, FoldedModel
from shared.messaging.topology import projection_queue
from tests.chaos.chaos_stack import World
from tests.chaos.faults.broker_alarm import publishers_blocked
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.chaos.operator_at_work import verify_and_repair

REQUESTS = ("queries", "event-log", "projection-control")
"""What is in them is asked again by who gets no answer."""
EMPTY_SECONDS = 7.0
"""The management's numbers are up to 5 s old."""
PATIENCE_SECONDS = 40.0


class QueuesDeleted(Base):
    """With what is in them."""

    needs_servers = True  # the set-up job sees to all of them

    def __init__(self, name: str, queues: Sequence[str], rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 4))
        self._queues = queues

    async def inject(self, world: World) -> None:
        await _delete(world, self._queues)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.native.set_up)


class ProjectionQueueDeleted(QueuesDeleted):
    """The feed, with events in it that nobody will bring again, and without a queue for those that come meanwhile.

    A later event of the same user shows the gap, and it is healed. Nothing tells of the last event of a user: that is
    what `cqrs projection verify --repair` is for, which the operator is told to run for each read model that was fed.
    """

    def __init__(self, name: str, rng: Random) -> None:
        self._models = [model.name for model in READ_MODELS if isinstance(model, FoldedModel)]
        super().__init__(name, [projection_queue(FEED)], rng)

    async def answer(self, world: World) -> str:
        return ", ".join([await verify_and_repair(world, model) for model in self._models])


class EmptyQueueDeleted(Base):
    """While nobody can publish, once all of it is done: then nothing is lost with it."""

    needs_servers = True  # to do it, and for the set-up job

    def __init__(self, name: str, kind: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 3))
        self._kind = kind

    async def inject(self, world: World) -> None:
        async with publishers_blocked(world):
            if (queue := await _first_empty(world, self._kind)) is not None:
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


async def _first_empty(world: World, kind: str) -> str | None:
    """The first whose name begins so that has been empty for some seconds, unacknowledged messages included."""
    empty_for, look = defaultdict[str, float](float), 0.5
    async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
        for _ in range(int(PATIENCE_SECONDS / look)):
            async with api.get("/api/queues/cqrs?columns=name,messages") as response:
                response.raise_for_status()
                counts: dict[str, int | None] = {
                    queue["name"]: queue.get("messages") for queue in await response.json()
                }
            for name, messages in sorted(counts.items()):
                empty_for[name] = empty_for[name] + look if messages == 0 else 0.0
                if name.startswith(kind) and empty_for[name] >= EMPTY_SECONDS:
                    return name
            await asyncio.sleep(look)
    return None
