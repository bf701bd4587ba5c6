"""From where on a read model may lack events: on record before anybody goes on without it.

`behind` of a document of `read_models`: positions of the log, by token. Up to the least of them all events are applied;
of those beyond, some were acknowledged while the read model had not applied them. Whoever runs its lane catches up from
there. Each holder writes an entry of its own, so that one who was stopped and wakes up late takes back what he himself
has said, and never what another relies on.
"""

import time
from collections.abc import Mapping
from uuid import uuid4

from services.query.mongo.collections import Collections

LARGEST_POSITION = 2**63 - 1


class BehindMark:
    """The entry of one holder for one read model. Each method raises PyMongoError."""

    def __init__(self, collections: Collections, model: str) -> None:
        self._collections = collections
        self._model = model
        self._mine = f"behind.{uuid4().hex}"
        self._changed_at = -float("inf")
        self.is_put = False
        """Whether our entry is on record."""

    def of_others(self) -> Mapping[str, int]:
        """The entries of others; nothing as long as all that is known of the catalogue is older than what was done here
        to them.
        """
        if self._collections.read_at <= self._changed_at:
            return {}
        behind = self._collections.generations(self._model).behind
        return {f"behind.{token}": position for token, position in behind.items() if f"behind.{token}" != self._mine}

    async def put(self, position: int) -> None:
        """Returns when it is on record that events beyond this position (or an earlier one) may lack."""
        await self._collections.catalogue.update_one(
            {"_id": self._model}, {"$min": {self._mine: min(max(0, position), LARGEST_POSITION)}}, upsert=True
        )
        self.is_put = True

    async def advance(self, position: int) -> None:
        """All up to this position is applied by now."""
        if self.is_put:
            found = await self._collections.catalogue.update_one(
                {"_id": self._model, self._mine: {"$exists": True}}, {"$set": {self._mine: position}}
            )
            if not found.matched_count:  # taken over by somebody who took us for dead
                await self.put(position)

    async def take_over(self, others: Mapping[str, int]) -> bool:
        """Makes these entries ours; false when they are not what they were."""
        found = await self._collections.catalogue.update_one(
            {"_id": self._model, **others},
            {"$unset": dict.fromkeys(others, ""), "$min": {self._mine: min(others.values())}},
        )
        self._changed_at = time.monotonic()
        self.is_put = self.is_put or found.matched_count == 1
        return found.matched_count == 1

    async def clear(self) -> None:
        """Nothing lacks any more."""
        if self.is_put:
            await self._collections.catalogue.update_one({"_id": self._model}, {"$unset": {self._mine: ""}})
            self.is_put = False
