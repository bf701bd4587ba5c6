"""Which collection holds what: the one place that knows their names."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from services.query.read_model import Document

Collection: TypeAlias = AsyncCollection[Document]
Database: TypeAlias = AsyncDatabase[Document]
CollectionSource: TypeAlias = Callable[[], Collection]
"""Gives the collection to use now: asked anew for each use, because a rebuild may have switched generations."""

FIRST_GENERATION = 1
CATALOGUE = "read_models"
PARKED = "parked"
JOBS = "projection_jobs"
SUBSCRIPTIONS = "subscriptions"
LEASE_SECONDS = 5.0
"""How long a process may go by what it has read in the catalogue. Whoever changes that waits as long before he counts
on everybody's knowing it.
"""


@dataclass(frozen=True, slots=True)
class Generations:
    """What the catalogue says of a read model: the generation that answers, one that is written beside it while they
    are about to change places, whether nothing is to be projected, and from which positions of the log on it may lack
    events (see `projector/behind_mark.py`).
    """

    live: int = FIRST_GENERATION
    beside: int | None = None
    paused: bool = False
    behind: Mapping[str, int] = field(default_factory=dict)

    @property
    def written(self) -> tuple[int, ...]:
        return (self.live,) if self.beside is None else (self.live, self.beside)


FIRST = Generations()


class Collections:
    """The collections of one database. A read model lives in generations, `users.g1`, `users.g2` …, of which one is
    live.

    The catalogue `read_models` says which (see `services/query/rebuild/catalogue.py`); a model that it does not name is
    in its first.
    """

    def __init__(self, database: Database, *, lease: float = LEASE_SECONDS, unretried: Database | None = None) -> None:
        """`unretried` is the same database by a client that doesn't repeat writes (see `client.py`)."""
        self.database = database
        self._unretried = database if unretried is None else unretried
        self.lease = lease
        self._models: dict[str, Generations] = {}
        self._collections: dict[tuple[str, int], Collection] = {}
        self._read_at = -float("inf")

    async def refresh(self) -> None:
        """Reads the catalogue."""
        asked_at = time.monotonic()
        entries = await self.catalogue.find({}, {"live": 1, "beside": 1, "paused": 1, "behind": 1}).to_list()
        self._models = {
            entry["_id"]: Generations(
                entry.get("live", FIRST_GENERATION),
                entry.get("beside"),
                bool(entry.get("paused", False)),
                entry.get("behind", {}),
            )
            for entry in entries
        }
        self._read_at = asked_at

    async def refresh_when_old(self) -> None:
        """Reads the catalogue unless what is known of it may still be gone by."""
        if not self.is_fresh:
            await self.refresh()

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < self.lease

    @property
    def read_at(self) -> float:
        """When the catalogue was asked for what is known of it now (time.monotonic())."""
        return self._read_at

    @property
    def all_live(self) -> Mapping[str, int]:
        """The number of the live generation of each model that the catalogue names."""
        return {name: each.live for name, each in self._models.items()}

    def generations(self, model: str) -> Generations:
        return self._models.get(model, FIRST)

    def is_paused(self, model: str) -> bool:
        return self.generations(model).paused

    def live(self, model: str) -> Collection:
        return self.generation(model, self.generations(model).live)

    def generation(self, model: str, number: int) -> Collection:
        found = self._collections.get((model, number))
        if found is None:
            found = self._collections[model, number] = self.database[generation_name(model, number)]
        return found

    def unretried(self, model: str, number: int) -> Collection:
        """A generation for who repeats writes himself. Not to be used in one transaction with the others."""
        return self._unretried[generation_name(model, number)]

    def source(self, model: str) -> CollectionSource:
        return lambda: self.live(model)

    def details(self, model: str) -> CollectionSource:
        """What a folded model holds beside its documents."""
        return lambda: details_of(self.live(model))

    @property
    def parked(self) -> Collection:
        return self.database[PARKED]

    @property
    def catalogue(self) -> Collection:
        return self.database[CATALOGUE]

    @property
    def jobs(self) -> Collection:
        return self.database[JOBS]

    @property
    def subscriptions(self) -> Collection:
        """Live queries that some process holds."""
        return self.database[SUBSCRIPTIONS]


def generation_name(model: str, number: int) -> str:
    return f"{model}.g{number}"


def details_of(generation: Collection) -> Collection:
    """The second collection of a generation of a folded model: `user_history.g1.details` of `user_history.g1`."""
    return generation["details"]
