"""An administrator closes every connection."""

from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base


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


async def _get(api: aiohttp.ClientSession, path: str) -> Any:
    async with api.get(path) as response:
        response.raise_for_status()
        return await response.json()
