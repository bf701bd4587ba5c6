"""Which aggregates are parked in which generation, when generations change places.

Those of the live one are listed under the model's name (`users`), those of another under its own (`users.g2`).
"""

from pymongo import ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession

from services.query.mongo.collections import Collections, generation_name


async def swap_parked(collections: Collections, model: str, old: int, new: int, session: AsyncClientSession) -> None:
    """The live list becomes that of `old`, and that of `new` the live one."""
    await _move(collections, model, generation_name(model, old), session)
    await _move(collections, generation_name(model, new), model, session)


async def adopt_parked(collections: Collections, model: str, live: int, session: AsyncClientSession) -> None:
    """What was parked in a generation after it had become the live one, by a process that did not know it yet."""
    await _move(collections, generation_name(model, live), model, session)


async def parked_ids(collections: Collections, name: str) -> set[str]:
    """The aggregates that are listed under a model's or generation's name."""
    return {entry["aggregate_id"] async for entry in collections.parked.find({"model": name}, {"aggregate_id": 1})}


async def _move(collections: Collections, source: str, target: str, session: AsyncClientSession) -> None:
    found = await collections.parked.find({"model": source}, session=session).to_list()
    if not found:
        return
    moved = [{**entry, "_id": f"{target}/{entry['aggregate_id']}", "model": target} for entry in found]
    await collections.parked.bulk_write(
        [ReplaceOne({"_id": entry["_id"]}, entry, upsert=True) for entry in moved], session=session
    )
    await collections.parked.delete_many({"_id": {"$in": [entry["_id"] for entry in found]}}, session=session)
