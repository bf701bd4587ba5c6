"""`kill -9` of a service at a named point of its work (see `faulty_command` and `faulty_query`)."""

import asyncio
import time
from random import Random

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED

PATIENCE_SECONDS = 30.0


class KillAtPoint(Base):
    """All processes are killed; the first to come back becomes the active consumer, and dies at the point.

    Mixed with a fault that keeps it from its work, it dies when that one is over: `heal` waits for it.
    """

    def __init__(self, name: str, service: str, point: str, rng: Random) -> None:
        super().__init__(name, service, 0.5)
        self._victim = f"{service}-1"
        self._point = f"{point}:{rng.randint(1, 5)}"

    async def inject(self, world: World) -> None:
        native = world.native
        await asyncio.to_thread(world.stack.kill, self.target)
        native.kill_points[self._victim] = self._point
        try:
            await asyncio.to_thread(native.start, self._victim, wait=False)
        finally:
            del native.kill_points[self._victim]

    async def heal(self, world: World) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while world.native.pid(self._victim) is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        if world.native.pid(self._victim) is not None:
            self.name += NOT_REACHED
            await asyncio.to_thread(world.stack.kill, self._victim)
        await asyncio.to_thread(world.stack.start, self.target, wait=False)
