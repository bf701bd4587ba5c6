"""Reading only from generations that are live, also in a process that was stopped for a while and does not know it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from services.query.mongo.collections import FIRST_GENERATION

ReadT = TypeVar("ReadT")


class LiveGenerations(Protocol):
    """What is known of the catalogue (`Collections`)."""

    @property
    def all_live(self) -> Mapping[str, int]: ...

    async def refresh_when_old(self) -> None: ...


class GenerationGuard:
    """For whoever answers: what one generation says must never come after what the next one has said."""

    def __init__(self, generations: LiveGenerations) -> None:
        self._generations = generations

    async def read(self, reading: Callable[[], Awaitable[ReadT]]) -> ReadT:
        """What `reading` gives; it is called again when a generation has had its day meanwhile.

        Raises PyMongoError, and what `reading` raises.
        """
        while True:
            await self._generations.refresh_when_old()
            live = self._generations.all_live
            found = await reading()
            await self._generations.refresh_when_old()
            if _are_the_same(live, self._generations.all_live):
                return found


def _are_the_same(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    """A model that the catalogue did not name yet was in its first generation."""
    if before == now:
        return True
    first = FIRST_GENERATION
    return all(before.get(model, first) == now.get(model, first) for model in before.keys() | now.keys())
