"""SIGSTOP, and SIGCONT later: a process that is there, but silent, and then goes on as if nothing had happened."""

import asyncio
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base


class Suspend(Base):
    def __init__(self, name: str, target: str, rng: Random) -> None:
        super().__init__(name, target, rng.triangular(5, 60, 8))
        self._rng = rng
        self._part = target

    async def inject(self, world: World) -> None:
        if self.target in ("command", "query"):
            self._part = self._rng.choice(world.parts(self.target))
        await asyncio.to_thread(world.stack.suspend, self._part)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.stack.resume, self._part)
