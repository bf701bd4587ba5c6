"""A server that ends, by a signal, and is started again."""

import asyncio
import os
import signal
from random import Random

from deploy.native import processes
from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base

END_SECONDS = 40.0


class ServerKilled(Base):
    def __init__(self, name: str, target: str, rng: Random) -> None:
        super().__init__(name, target, rng.uniform(0, 5))

    async def inject(self, world: World) -> None:
        await asyncio.to_thread(world.stack.kill, self.target)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.stack.start, self.target)


class ServerRestarted(Base):
    def __init__(self, name: str, target: str, rng: Random) -> None:
        super().__init__(name, target, rng.uniform(0, 5))

    async def inject(self, world: World) -> None:
        await asyncio.to_thread(world.stack.stop, self.target)

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.stack.start, self.target)


class PostgresImmediateRestart(Base):
    """SIGQUIT to the postmaster: no checkpoint, no goodbye; it recovers from its log."""

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "postgres", rng.uniform(0, 3))

    async def inject(self, world: World) -> None:
        pid = world.native.pid("postgres")
        assert pid is not None, "PostgreSQL runs"
        os.kill(pid, signal.SIGQUIT)
        gone = await asyncio.to_thread(processes.wait_gone, world.native.pid_file("postgres"), END_SECONDS)
        assert gone, "PostgreSQL has ended"

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.stack.start, "postgres")
