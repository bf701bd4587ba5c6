"""The broker is short of memory or disk, and takes nothing from any publisher."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import aiohttp

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.support.rabbitmqctl import rabbitmqctl

LIMITS = {
    # alarm: (rabbitmqctl's command, a limit that is passed already, the limit of deploy/rabbitmq or the default)
    "memory": ("set_vm_memory_high_watermark", "0.00001", "0.4"),
    "disk": ("set_disk_free_limit", "100000GB", "1GB"),
}
ALARM_SECONDS = 15.0


class BrokerAlarm(Base):
    """`alarm` is `memory` or `disk`."""

    def __init__(self, name: str, alarm: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(3, 12))
        self._alarm = alarm

    async def inject(self, world: World) -> None:
        await _set(world, self._alarm, on=True)
        if not await _is_raised(world):
            self.name += NOT_REACHED

    async def heal(self, world: World) -> None:
        await _set(world, self._alarm, on=False)


@asynccontextmanager
async def publishers_blocked(world: World) -> AsyncIterator[None]:
    """Nothing is published inside the block, and consumers go on."""
    await _set(world, "memory", on=True)
    try:
        yield
    finally:
        await _set(world, "memory", on=False)


async def _set(world: World, alarm: str, *, on: bool) -> None:
    command, low, enough = LIMITS[alarm]
    await rabbitmqctl(world.native.layout, command, low if on else enough)


async def _is_raised(world: World) -> bool:
    """The broker looks at its disk every few seconds."""
    async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
        for _ in range(int(ALARM_SECONDS / 0.2)):
            async with api.get("/api/health/checks/alarms") as response:
                if response.status == 503:
                    return True
            await asyncio.sleep(0.2)
    return False
