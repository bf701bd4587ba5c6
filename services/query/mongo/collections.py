"""Which collection holds what: the one place that knows their names."""

from collections.abc import Callable
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
SUBSCRIPTIONS = "subscriptions"


class Collections:
    """The collections of one database. A read model lives in generations, `users.g1`, `users.g2` …, of which one is
    live.

    The catalogue `read_models` names the live one (`{_id: "users", live: 2}`); a model that it does not name is in its
    first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: dict[str, int] = {}

    async def refresh(self) -> None:
        """Reads the catalogue."""
        entries = await self._database[CATALOGUE].find({}, {"live": 1}).to_list()
        self._live = {entry["_id"]: entry["live"] for entry in entries if "live" in entry}

    def live(self, model: str) -> Collection:
        return self.generation(model, self._live.get(model, FIRST_GENERATION))

    def generation(self, model: str, number: int) -> Collection:
        return self._database[f"{model}.g{number}"]

    def source(self, model: str) -> CollectionSource:
        return lambda: self.live(model)

    def details(self, model: str) -> CollectionSource:
        """What a folded model holds beside its documents."""
        return lambda: details_of(self.live(model))

    @property
    def parked(self) -> Collection:
        return self._database[PARKED]

    @property
    def subscriptions(self) -> Collection:
        """Live queries that some process holds."""
        return self._database[SUBSCRIPTIONS]


def details_of(generation: Collection) -> Collection:
    """The second collection of a generation of a folded model: `user_history.g1.details` of `user_history.g1`."""
    return generation["details"]
