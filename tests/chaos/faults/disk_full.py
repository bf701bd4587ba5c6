"""A server's disk is full, and then there is room again."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg

from deploy.native.errors import StackError
from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.faults.postgres import administrator
from tests.chaos.ledger import NOT_REACHED
from tests.support import small_disk
from tests.support.stack import data_folder

SEGMENTS = 100
"""Of 16 MB, more than PostgreSQL has at hand."""
STEADY_SECONDS = 2.0
TRIES = 5


class DiskFull(Base):
    """The whole of a server's data. What gave up is started again, as an operator would, once there is room."""

    def __init__(self, name: str, server: str, rng: Random) -> None:
        super().__init__(name, server, rng.uniform(5, 20))

    async def inject(self, world: World) -> None:
        await asyncio.to_thread(small_disk.fill, self._disk(world))

    async def heal(self, world: World) -> None:
        if not small_disk.is_full(self._disk(world)):
            self.name += NOT_REACHED
        await asyncio.to_thread(small_disk.free, self._disk(world))
        for _ in range(TRIES):
            with suppress(StackError):  # it ended while it started
                await asyncio.to_thread(world.stack.start, self.target)
                await asyncio.to_thread(world.stack.wait_ready, self.target)
            await asyncio.sleep(STEADY_SECONDS)
            if world.native.pid(self.target) is not None:
                return
        await asyncio.to_thread(world.stack.start, self.target)

    def _disk(self, world: World) -> Path:
        return data_folder(world.native.layout, self.target)


class LogDiskFull(DiskFull):
    """And PostgreSQL needs another segment of its write-ahead log: without room for it, it panics."""

    async def inject(self, world: World) -> None:
        await super().inject(world)
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            connection = await administrator(world)
            for _ in range(SEGMENTS):
                await connection.execute("SELECT pg_logical_emit_message(false, 'chaos', 'x')")
                await connection.execute("SELECT pg_switch_wal()")
