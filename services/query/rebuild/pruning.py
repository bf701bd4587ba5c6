"""Generations that nobody needs any more, dropped."""

import re

from services.query.mongo.collections import Collections, details_of, generation_name
from services.query.rebuild.catalogue import Catalogue


async def prune(collections: Collections, catalogue: Catalogue, model: str) -> list[int]:
    """Drops all generations but the live one and one that is written beside it; gives their numbers.

    Nothing may be at work on the model. Raises PyMongoError.
    """
    entry = await catalogue.entry(model)
    dropped = [number for number in await generations(collections, model) if number not in (entry.live, entry.beside)]
    for number in dropped:
        documents = collections.generation(model, number)
        await details_of(documents).drop()
        await documents.drop()
        await collections.parked.delete_many({"model": generation_name(model, number)})
        await catalogue.forget(model, number)
    return dropped


async def generations(collections: Collections, model: str) -> list[int]:
    """The numbers of those that there are, or that something is left of."""
    pattern = re.compile(rf"{re.escape(model)}\.g(\d+)(\.details)?")
    names = await collections.database.list_collection_names()
    return sorted({int(match.group(1)) for name in names if (match := pattern.fullmatch(name))})
