"""MongoDB's primary steps down, and nobody else can step up, for some seconds."""

from contextlib import suppress
from random import Random
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base


class StepDown(Base):
    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "mongo", 0)
        self._away = rng.randint(3, 10)
        self.seconds = self._away + 1.0

    async def inject(self, world: World) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(world.admin.mongo)
        async with client:
            with suppress(AutoReconnect):  # the server may close the connection with the answer
                await client.admin.command("replSetStepDown", self._away, secondaryCatchUpPeriodSecs=0, force=True)

    async def heal(self, world: World) -> None:
        """It steps up again by itself; returns when it has."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(world.admin.mongo)
        async with client:
            await client.admin.command("ping")
            await client.get_database("cqrs").list_collection_names()
