"""Which collection holds what: the one place that knows their names."""

from collections.abc import Callable
from typing import TypeAlias

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern

from services.query.read_model import Document

Collection: TypeAlias = AsyncCollection[Document]
Database: TypeAlias = AsyncDatabase[Document]
CollectionSource: TypeAlias = Callable[[], Collection]
"""Gives the collection to use now: asked anew for each use, because a rebuild may have switched generations."""

FIRST_GENERATION = 1
CATALOGUE = "read_models"
PARKED = "parked"


class Collections:
    """The collections of one database. A read model lives in generations, `users.g1`, `users.g2` …, of which one is
    live.

    The catalogue `read_models` names the live one (`{_id: "users", live: 2}`); a model that it does not name is in its
    first.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: dict[str, int] = {}
        self._committed: dict[str, Collection] = {}

    async def refresh(self) -> None:
        """Reads the catalogue."""
        entries = await self._database[CATALOGUE].find({}, {"live": 1}).to_list()
        self._live = {entry["_id"]: entry["live"] for entry in entries if "live" in entry}

    def live(self, model: str) -> Collection:
        return self.generation(model, self._live.get(model, FIRST_GENERATION))

    def generation(self, model: str, number: int) -> Collection:
        return self._database[f"{model}.g{number}"]

    def to_write(self, model: str) -> CollectionSource:
        """For projecting: reads the newest state, so that a guarded write fails only when somebody was in between."""
        return lambda: self.live(model)

    def to_read(self, model: str) -> CollectionSource:
        """For answering: reads what a majority has, because the rest may be rolled back after somebody has seen it."""

        def committed() -> Collection:
            live = self.live(model)
            if live.name not in self._committed:
                self._committed[live.name] = live.with_options(read_concern=ReadConcern("majority"))
            return self._committed[live.name]

        return committed

    @property
    def parked(self) -> Collection:
        return self._database[PARKED]
