"""Where any process can renew or end a live query, whichever holds it: a document for each in `subscriptions`.

The document: `_id` (subscription id), `query_type`, `owner` (the process), `renewals`, `expires_at`. The owner sees it
change, or go, in the change stream that it follows anyway. MongoDB removes one whose owner died (an index with a time
to live).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.query.mongo.collections import Collection

GRACE = timedelta(minutes=1)


class LeaseBook:
    def __init__(self, subscriptions: Collection, owner: str) -> None:
        self._subscriptions = subscriptions
        self._owner = owner

    @property
    def name(self) -> str:
        return self._subscriptions.name

    async def enter(self, subscription_id: UUID, query_type: str, lease: float) -> None:
        """`lease` is in seconds. Raises PyMongoError, as all here."""
        await self._subscriptions.insert_one(
            {
                "_id": str(subscription_id),
                "query_type": query_type,
                "owner": self._owner,
                "renewals": 0,
                "lease_ms": round(lease * 1000),
                "expires_at": datetime.now(UTC) + timedelta(seconds=lease) + GRACE,
            }
        )

    async def renew(self, subscription_id: UUID) -> bool:
        """False when it has ended."""
        expires_at = {"$add": ["$$NOW", "$lease_ms", GRACE // timedelta(milliseconds=1)]}
        renewal = [{"$set": {"renewals": {"$add": ["$renewals", 1]}, "expires_at": expires_at}}]
        return (await self._subscriptions.update_one({"_id": str(subscription_id)}, renewal)).matched_count == 1

    async def remove(self, subscription_ids: Iterable[UUID]) -> int:
        """How many of them were there."""
        ids = [str(subscription_id) for subscription_id in subscription_ids]
        return (await self._subscriptions.delete_many({"_id": {"$in": ids}})).deleted_count

    async def missing(self, subscription_ids: Iterable[UUID]) -> set[UUID]:
        """Which of them somebody has ended."""
        wanted = {str(subscription_id) for subscription_id in subscription_ids}
        found = {entry["_id"] async for entry in self._subscriptions.find({"_id": {"$in": list(wanted)}}, {"_id": 1})}
        return {UUID(missing) for missing in wanted - found}
