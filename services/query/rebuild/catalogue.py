"""The catalogue of read models, written: which generation is live, and what becomes of the others.

A document of `read_models`: `_id` (the model), `live` (number of the generation that answers; 1 when missing), `beside`
(one that is written together with it), `previous` (the one that was live before), `last` (the largest number that was
ever given), `complete` (by number: up to which position of the log a generation is complete for sure), `reached` (see
`ReachedPositions`), `paused`, `behind` (see `BehindMark`).
"""

from dataclasses import dataclass, field

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from services.query.mongo.collections import FIRST_GENERATION, Collections
from services.query.read_model import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the catalogue says of one model."""

    model: str
    live: int = FIRST_GENERATION
    beside: int | None = None
    previous: int | None = None
    complete: dict[str, int] = field(default_factory=dict)
    reached: int | None = None
    paused: bool = False
    behind: dict[str, int] = field(default_factory=dict)

    @property
    def position(self) -> int | None:
        """How far along the log the model is; None when nobody has said so yet."""
        known = [*self.behind.values(), *(() if self.reached is None else (self.reached,))]
        return min(known, default=None)

    def complete_to(self, generation: int) -> int:
        return self.complete.get(str(generation), 0)


class Catalogue:
    """Raises PyMongoError."""

    def __init__(self, collections: Collections) -> None:
        self._entries = collections.catalogue

    async def entry(self, model: str) -> Entry:
        return _entry(model, await self._entries.find_one({"_id": model}))

    async def entries(self) -> dict[str, Entry]:
        return {each["_id"]: _entry(each["_id"], each) async for each in self._entries.find()}

    async def new_generation(self, model: str) -> int:
        """A number that was never given before."""
        known = {"$max": [{"$ifNull": ["$last", FIRST_GENERATION]}, {"$ifNull": ["$live", FIRST_GENERATION]}]}
        entry = await self._entries.find_one_and_update(
            {"_id": model},
            [{"$set": {"last": {"$add": [known, 1]}}}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert entry is not None  # noqa: S101 - for the type checker: it was upserted
        return int(entry["last"])

    async def write_beside(self, model: str, generation: int, session: AsyncClientSession | None = None) -> None:
        """From when on everybody knows it, all is written to that generation, too."""
        change = {"$set": {"beside": generation}}
        await self._entries.update_one({"_id": model}, change, upsert=True, session=session)

    async def write_alone(self, model: str, session: AsyncClientSession | None = None) -> None:
        """To the live one only."""
        await self._entries.update_one({"_id": model}, {"$unset": {"beside": ""}}, session=session)

    async def switch(self, model: str, old: int, new: int, complete_to: int, session: AsyncClientSession) -> bool:
        """Makes `new` the live one and goes on writing `old` beside it; false when `old` is not the live one."""
        entry = await self._entries.find_one({"_id": model}, session=session)
        if _entry(model, entry).live != old:
            return False
        change = {"live": new, "beside": old, "previous": old, f"complete.{new}": complete_to}
        await self._entries.update_one({"_id": model}, {"$set": change}, upsert=True, session=session)
        return True

    async def pause(self, model: str, paused: bool) -> None:
        await self._entries.update_one({"_id": model}, {"$set": {"paused": paused}}, upsert=True)

    async def forget(self, model: str, generation: int) -> None:
        """Of a generation that is no more."""
        await self._entries.update_one({"_id": model}, {"$unset": {f"complete.{generation}": ""}})
        await self._entries.update_one({"_id": model, "previous": generation}, {"$unset": {"previous": ""}})


def _entry(model: str, document: Document | None) -> Entry:
    known = {"live", "beside", "previous", "complete", "reached", "paused", "behind"}
    return Entry(model=model, **{key: value for key, value in (document or {}).items() if key in known})
