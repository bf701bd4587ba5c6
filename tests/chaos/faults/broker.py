"""What an administrator, or too little memory, does to the broker."""

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp

from deploy.native.rabbitmq import find_rabbitmq, rabbitmq
from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base

ENOUGH_MEMORY = "0.4"  # the broker's default


class ConnectionsClosed(Base):
    """Every connection closed by the management API, those of the clients too."""

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 2))

    async def inject(self, world: World) -> None:
        async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
            for connection in await _get(api, "/api/connections?columns=name"):
                async with api.delete(f"/api/connections/{quote(connection['name'], safe='')}") as response:
                    assert response.status in (204, 404)  # 404: ended by itself

    async def heal(self, world: World) -> None:
        """There is nothing to undo."""


class QueueDeleted(Base):
    """A projection's queue, with what is in it; the set-up job declares it again."""

    def __init__(self, name: str, queue: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(0.5, 4))
        self._queue = queue

    async def inject(self, world: World) -> None:
        async with (
            aiohttp.ClientSession(world.admin.rabbitmq_api) as api,
            api.delete(f"/api/queues/cqrs/{quote(self._queue, safe='')}") as response,
        ):
            assert response.status == 204

    async def heal(self, world: World) -> None:
        await asyncio.to_thread(world.native.set_up)


class MemoryAlarm(Base):
    """The broker says that it has no memory left, and takes nothing from any publisher."""

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(3, 12))

    async def inject(self, world: World) -> None:
        await _set_watermark(world, "0.00001")

    async def heal(self, world: World) -> None:
        await _set_watermark(world, ENOUGH_MEMORY)


async def _set_watermark(world: World, share: str) -> None:
    server = find_rabbitmq()
    assert server is not None
    program = Path(server).with_name("rabbitmqctl")
    done = await asyncio.create_subprocess_exec(
        str(program),
        *("-n", "cqrs@localhost", "set_vm_memory_high_watermark", share),
        env={**os.environ, **rabbitmq(world.native.layout).env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await done.communicate()
    assert done.returncode == 0, output.decode(errors="replace")


async def _get(api: aiohttp.ClientSession, path: str) -> Any:
    async with api.get(path) as response:
        response.raise_for_status()
        return await response.json()
