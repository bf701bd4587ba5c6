"""What every peer makes of an event in MongoDB: one guarded upsert."""

from datetime import datetime
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import DuplicateKeyError

FIELDS = {"UserCreated": {"name": "name", "email": "email"}, "UserEmailUpdated": {"new_email": "email"}}


def upsert(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Filter and update; the filter leaves alone a document that is as new already."""
    fields = {field: event["data"][name] for name, field in FIELDS[event["type"]].items()}
    version, time = event["aggregateversion"], datetime.fromisoformat(event["time"])
    update: dict[str, Any] = {"$set": {**fields, "version": version, "updated_at": time}}
    update["$setOnInsert"] = {"status": "active", "created_at": time}
    return {"_id": event["aggregateid"], "version": {"$lt": version}}, update


class AsyncView:
    def __init__(self, url: str) -> None:
        self._users = AsyncMongoClient[dict[str, Any]](url, tz_aware=True).get_default_database()["users"]

    async def apply(self, event: dict[str, Any]) -> None:
        try:
            await self._users.update_one(*upsert(event), upsert=True)
        except DuplicateKeyError:
            return  # seen before

    async def find(self, user_id: str) -> dict[str, Any] | None:
        return await self._users.find_one({"_id": user_id})


class SyncView:
    """For peers that know no asyncio."""

    def __init__(self, url: str) -> None:
        self._users = MongoClient[dict[str, Any]](url, tz_aware=True).get_default_database()["users"]

    def apply(self, event: dict[str, Any]) -> None:
        try:
            self._users.update_one(*upsert(event), upsert=True)
        except DuplicateKeyError:
            return  # seen before

    def find(self, user_id: str) -> dict[str, Any] | None:
        return self._users.find_one({"_id": user_id})


def shown(user: dict[str, Any] | None) -> dict[str, Any]:
    """A user as an answer shows it."""
    if user is None:
        return {"status": "error", "error": {"code": "user_not_found"}}
    times = {name: user[name].isoformat() for name in ("created_at", "updated_at")}
    return {"status": "ok", "data": {**user, **times, "user_id": user["_id"]}}
