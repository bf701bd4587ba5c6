"""Clocks of services an hour ahead or behind; the clock that waits and deadlines count by goes right."""

import asyncio
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base, some

OFFSETS = ("+1h", "-1h")


class ClockSkew(Base):
    """Some processes, or all, are restarted with a wrong clock, and in the end with the right one."""

    def __init__(self, name: str, service: str, rng: Random) -> None:
        super().__init__(name, service, rng.uniform(5, 20))
        self._rng = rng
        self._parts: list[str] = []

    async def inject(self, world: World) -> None:
        self._parts = some(self._rng, world.parts(self.target))
        for part in self._parts:
            world.native.clocks[part] = self._rng.choice(OFFSETS)
        await self._restart(world)

    async def heal(self, world: World) -> None:
        for part in self._parts:
            del world.native.clocks[part]
        await self._restart(world)

    async def _restart(self, world: World) -> None:
        for part in self._parts:
            await asyncio.to_thread(world.stack.stop, part)
            await asyncio.to_thread(world.stack.start, part, wait=False)
