"""Aggregates that a read model can't go on with, each with its reason, until they are healed.

A document of `parked`: `_id` ("<model>/<aggregate_id>"), `model`, `aggregate_type`, `aggregate_id`, `version` (the
first that could not be applied), `reason`, `detail`, `since`, `attempts`, and `healing` while somebody heals it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pymongo import ASCENDING, UpdateOne

from services.query.mongo.collections import Collection
from services.query.projector.fold import Failure

LARGEST_INTEGER = 2**63 - 1


class Parking:
    """The parked aggregates of one read model."""

    def __init__(self, parked: Collection, model: str, aggregate_type: str) -> None:
        self._parked = parked
        self._model = model
        self._aggregate_type = aggregate_type

    async def park(self, failures: Mapping[str, Failure]) -> None:
        """Parks these aggregates; one that is parked already keeps the time since when. Raises PyMongoError."""
        if failures:
            await self._parked.bulk_write(
                [self._entry(key, failure) for key, failure in failures.items()], ordered=False
            )

    async def reasons(self, aggregate_ids: Iterable[str]) -> dict[str, str]:
        """Which of these are parked, and why. One that is being healed no longer counts. Raises PyMongoError."""
        query = {"_id": {"$in": [self._id(key) for key in aggregate_ids]}, "healing": {"$ne": True}}
        return {entry["aggregate_id"]: entry["reason"] async for entry in self._parked.find(query)}

    async def count(self) -> int:
        """How many are parked. Raises PyMongoError."""
        return await self._parked.count_documents({"model": self._model})

    async def ids(self) -> set[str]:
        """All that are parked. Raises PyMongoError."""
        return {entry["aggregate_id"] async for entry in self._parked.find({"model": self._model}, {"aggregate_id": 1})}

    async def start_healing(self, aggregate_id: str) -> bool:
        """Lets events through to it again; false when it is not parked. Raises PyMongoError."""
        result = await self._parked.update_one({"_id": self._id(aggregate_id)}, {"$set": {"healing": True}})
        return result.matched_count == 1

    async def unpark(self, aggregate_id: str) -> None:
        """Ends a healing; does nothing when the aggregate was parked again meanwhile. Raises PyMongoError."""
        await self._parked.delete_one({"_id": self._id(aggregate_id), "healing": True})

    async def since(self, aggregate_id: str | None) -> datetime | None:
        """Since when this aggregate (None: the one that is parked longest) is parked; None when it is not.

        Raises PyMongoError.
        """
        which = {"model": self._model} if aggregate_id is None else {"_id": self._id(aggregate_id)}
        entry = await self._parked.find_one(which, {"since": 1}, sort=[("since", ASCENDING)])
        return None if entry is None else entry["since"]

    async def failure(self, aggregate_id: str) -> Failure | None:
        """Why it is parked; None when it is not. Raises PyMongoError."""
        entry = await self._parked.find_one({"_id": self._id(aggregate_id)})
        return None if entry is None else Failure(entry["version"], entry["reason"], entry["detail"])

    def _id(self, aggregate_id: str) -> str:
        return f"{self._model}/{aggregate_id}"

    def _entry(self, aggregate_id: str, failure: Failure) -> UpdateOne:
        return UpdateOne(
            {"_id": self._id(aggregate_id)},
            {
                "$set": {
                    "model": self._model,
                    "aggregate_type": self._aggregate_type,
                    "aggregate_id": aggregate_id,
                    "version": min(failure.version, LARGEST_INTEGER),
                    "reason": failure.reason,
                    "detail": failure.detail,
                    "healing": False,
                },
                "$setOnInsert": {"since": datetime.now(UTC)},
                "$inc": {"attempts": 1},
            },
            upsert=True,
        )
