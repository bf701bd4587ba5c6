"""SIGSTOP of the one process that does the work, for so long that another takes over before it wakes up."""

import asyncio
import time
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.chaos.metrics import counted

QUEUE = {"command": "commands.0", "query": "projections.folded"}
PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 1.0


class Takeover(Base):
    """The process that a queue's single active consumer belongs to.

    The broker gives its work to another when two heartbeats (10 s each) are missing. What the sleeper then still has in
    hand, it goes on with as if nothing had happened.
    """

    def __init__(self, name: str, service: str, rng: Random) -> None:
        super().__init__(name, service, rng.uniform(35, 60))
        self._part = ""
        self._others: dict[str, float] = {}

    async def inject(self, world: World) -> None:
        self._part = await self._active(world)
        await asyncio.to_thread(world.stack.suspend, self._part)
        self._others = await self._arrived(world)

    async def heal(self, world: World) -> None:
        now = await self._arrived(world)
        if not any(now[part] > before for part, before in self._others.items() if part in now):
            self.name += NOT_REACHED
        await asyncio.to_thread(world.stack.resume, self._part)

    async def _active(self, world: World) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            before = await self._arrived(world)
            await asyncio.sleep(LOOK_SECONDS)
            now = await self._arrived(world)
            grown = {part: now[part] - before[part] for part in now.keys() & before.keys()}
            if grown and max(grown.values()) > 0:
                return max(grown, key=lambda part: grown[part])
        return world.parts(self.target)[0]  # nothing moves, mixed with another fault

    async def _arrived(self, world: World) -> dict[str, float]:
        """Messages of the queue by part, of those that answer."""
        sample = "messaging_consumed_total"
        counts = await counted(world.stack.http_urls(self.target), sample, queue=QUEUE[self.target])
        return {part: count for part, count in zip(world.parts(self.target), counts, strict=True) if count is not None}
