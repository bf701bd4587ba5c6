"""`kill -9` of one, some or all processes of a service."""

import asyncio
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base, some


class KillService(Base):
    def __init__(self, name: str, service: str, rng: Random) -> None:
        super().__init__(name, service, rng.uniform(0.5, 3))
        self._rng = rng

    async def inject(self, world: World) -> None:
        for part in some(self._rng, world.parts(self.target)):
            await asyncio.to_thread(world.stack.kill, part)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.stack.start, self.target, wait=False)
