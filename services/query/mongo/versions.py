"""At which version documents are: what waiting for a version looks at."""

from collections.abc import Iterable, Mapping

from services.query.freshness.version_watch import VersionReader
from services.query.mongo.collections import CollectionSource


def versions(collection: CollectionSource) -> VersionReader:
    """Of a folded model: the version of each document."""

    async def read(keys: Iterable[str]) -> Mapping[str, int]:
        found = collection().find({"_id": {"$in": list(keys)}}, {"version": 1})
        return {document["_id"]: document["version"] for document in await found.to_list()}

    return read


def existing(collection: CollectionSource) -> VersionReader:
    """Of a recorded model: 1 for each document that is there."""

    async def read(keys: Iterable[str]) -> Mapping[str, int]:
        found = collection().find({"_id": {"$in": list(keys)}}, {"_id": 1})
        return {document["_id"]: 1 for document in await found.to_list()}

    return read
