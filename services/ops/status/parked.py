"""Aggregates that a read model can't go on with, counted, in MongoDB."""

import re
from typing import Any

from pymongo import AsyncMongoClient

PATIENCE_MS = 3000
PARKED = "parked"  # the query service's collection (services/query/mongo/collections.py)


async def parked_by_model(mongo_url: str) -> dict[str, int]:
    """How many are parked, by read model; those with none are left out, and so are generations that are not live
    (`users.g1`). Raises PyMongoError.
    """
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongo_url, serverSelectionTimeoutMS=PATIENCE_MS, timeoutMS=PATIENCE_MS
    )
    async with client:
        parked = client.get_default_database("cqrs")[PARKED]
        live = {"$match": {"model": {"$not": re.compile(r"\.g\d+$")}}}
        groups = await parked.aggregate([live, {"$group": {"_id": "$model", "count": {"$sum": 1}}}])
        return {group["_id"]: group["count"] async for group in groups}
