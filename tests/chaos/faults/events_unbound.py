"""The projections' queues are unbound from the exchanges that feed them: what is published has nowhere to go."""

import asyncio
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base
from tests.chaos.ledger import NOT_REACHED
from tests.chaos.metrics import counted

EXCHANGES = ("events", "outcomes")
ARRIVING_SECONDS = 0.5


class EventsUnbound(Base):
    """The broker returns them (`mandatory`), they stay in the outbox, and the sweep brings them once they are bound.

    Nothing passes while queues are unbound, and bound, one after the other: an event that reached some queues and not
    all would be confirmed, and lost for the others.
    """

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(3, 12))
        self._bindings: list[dict[str, Any]] = []
        self._returned = 0.0

    async def inject(self, world: World) -> None:
        self._returned = await _returned(world)
        proxy = world.proxies["rabbitmq"]
        async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
            for exchange in EXCHANGES:
                async with api.get(f"/api/exchanges/cqrs/{exchange}/bindings/source") as response:
                    response.raise_for_status()
                    self._bindings += [each for each in await response.json() if each["destination_type"] == "queue"]
            proxy.black_hole()
            try:
                await asyncio.sleep(ARRIVING_SECONDS)
                for binding in self._bindings:
                    key = quote(binding["properties_key"], safe="")
                    async with api.delete(f"{_path(binding)}/{key}") as response:
                        response.raise_for_status()
            finally:
                proxy.heal()

    async def heal(self, world: World) -> None:
        if await _returned(world) <= self._returned:
            self.name += NOT_REACHED
        proxy = world.proxies["rabbitmq"]
        async with aiohttp.ClientSession(world.admin.rabbitmq_api) as api:
            proxy.black_hole()
            try:
                await asyncio.sleep(ARRIVING_SECONDS)
                for binding in self._bindings:
                    bound = {"routing_key": binding["routing_key"], "arguments": binding["arguments"]}
                    async with api.post(_path(binding), json=bound) as response:
                        response.raise_for_status()
            finally:
                proxy.heal()


def _path(binding: dict[str, Any]) -> str:
    return f"/api/bindings/cqrs/e/{binding['source']}/q/{quote(binding['destination'], safe='')}"


async def _returned(world: World) -> float:
    """How many messages had nowhere to go so far, by the services' own count."""
    counts = await counted(world.stack.http_urls("command"), "outbox_unpublished_total", why="unroutable")
    return sum(count or 0 for count in counts)
