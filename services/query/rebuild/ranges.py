"""Documents between two aggregates, whatever else somebody may have put there: the ranges of a run cover everything."""

from typing import Any, Final

from bson import MaxKey, MinKey

from services.query.mongo.collections import Collection
from services.query.read_model import Document

BEGIN: Final = MinKey()
END: Final = MaxKey()
Bound = Any
"""A value of `_id`: documents before it are on one side, itself and what is after it on the other."""

BY_ID: Final = [("_id", 1)]


def after_document(aggregate_id: str) -> Bound:
    """The smallest text beyond that id. MongoDB compares texts byte by byte."""
    return aggregate_id + "\0"


def after_entries(field: str, aggregate_id: str) -> Bound:
    """Beyond all `{field: aggregate_id, …}`: documents are compared by their first field first."""
    return {field: aggregate_id + "\0"}


async def between(collection: Collection, low: Bound, high: Bound) -> list[Document]:
    """From `low` (included) to `high` (not included), in the order of their ids. Raises PyMongoError."""
    found = collection.find().sort(BY_ID).hint(BY_ID)
    if low is not BEGIN:
        found = found.min([("_id", low)])
    if high is not END:
        found = found.max([("_id", high)])
    return await found.to_list()
