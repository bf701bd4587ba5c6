"""What MongoDB must hold of users, folded from the log by code that shares nothing with the services."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from pymongo import AsyncMongoClient

from tests.support.oracle import comparable, fold

LOG = "SELECT * FROM events WHERE aggregate_type = 'user' ORDER BY aggregate_id, version"


async def wrong_users(postgres_url: str, mongo: AsyncMongoClient[dict[str, Any]], collection: str) -> list[str]:
    """Users whose document is not the fold of their events, or who have none, or no events."""
    stored = mongo["cqrs"][collection].find().sort("_id", 1).hint([("_id", 1)])
    wrong: list[str] = []
    document = await anext(stored, None)
    async for user_id, events in _histories(postgres_url):
        while document is not None and document["_id"] < user_id:
            wrong.append(document["_id"])
            document = await anext(stored, None)
        if document is None or document["_id"] != user_id:
            wrong.append(user_id)
            continue
        found = comparable(document | {"user_id": document["_id"]})
        if found != comparable(fold(events)):
            wrong.append(user_id)
        document = await anext(stored, None)
    while document is not None:
        wrong.append(document["_id"])
        document = await anext(stored, None)
    return wrong


async def _histories(postgres_url: str) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            user_id = ""
            events: list[dict[str, Any]] = []
            async for row in connection.cursor(LOG, prefetch=2000):
                if row["aggregate_id"] != user_id and events:
                    yield user_id, events
                    events = []
                user_id = row["aggregate_id"]
                events.append(dict(row) | {"data": json.loads(row["data"])})
            if events:
                yield user_id, events
    finally:
        await connection.close()
