"""The parked aggregates, as the query service keeps them in MongoDB (services/query/projector/parking.py)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from services.ops.parked.entry import Parked
from services.ops.status.parked import PARKED, PATIENCE_MS
from shared.runtime.errors import in_one_line

_FIELDS = tuple(field.name for field in fields(Parked))


class ParkedStore:
    """Raises PyMongoError."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        self._parked = client.get_default_database("cqrs")[PARKED]

    async def find(
        self,
        *,
        names: Sequence[str] = (),
        models: Sequence[str] = (),
        reasons: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Parked]:
        """Longest parked first. Of `names` (`users/alice`), `models` and `reasons` any one; none means all."""
        wanted = {"_id": names, "model": models, "reason": reasons}
        query = {name: {"$in": list(values)} for name, values in wanted.items() if values}
        found = self._parked.find(query, {"_id": False}).sort([("since", 1), ("_id", 1)]).limit(limit or 0)
        return [Parked(**{name: entry[name] for name in _FIELDS}) async for entry in found]


@asynccontextmanager
async def parked_store(mongo_url: str) -> AsyncIterator[ParkedStore]:
    """What MongoDB fails with becomes an OpsError."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongo_url,
        serverSelectionTimeoutMS=PATIENCE_MS,
        connectTimeoutMS=PATIENCE_MS,
        socketTimeoutMS=10 * PATIENCE_MS,
        tz_aware=True,
    )
    try:
        async with client:
            yield ParkedStore(client)
    except PyMongoError as error:
        raise OpsError(f"MongoDB: {in_one_line(error)}", ExitCode.UNREACHABLE) from error
