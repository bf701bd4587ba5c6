import asyncio
from collections.abc import Sequence
from typing import Any

from bson import MinKey

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import Collection, CollectionSource
from services.query.read_model import Document
from services.query.read_models.user_directory.indexes import KEYS
from services.query.read_models.user_directory.page_cursor import SearchCursor, decode, encode
from services.query.read_models.user_directory.paths import Path, paths
from services.query.read_models.user_directory.words import sought
from services.query.read_models.users.view import user_view
from services.query.sealed_cursor import BadCursorError
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import SearchUsers

MOST_COUNTED = 500
"""Paths with more keys than that count as equally long."""
BEYOND = "\U0010ffff"
"""Follows every character that a key can hold."""


class SearchUsersHandler:
    """Goes along the shortest path of an index that leads to all who are sought, the keys of the rarest prefix or of
    two prefixes together, and keeps those who have the other words, too: nothing is sorted, and a page costs about
    what it shows.

    A user with several keys on the path is shown at the first of them.
    """

    def __init__(self, directory: CollectionSource, freshness: Freshness) -> None:
        self._directory = directory
        self._freshness = freshness

    async def __call__(self, query: SearchUsers, demand: Demand) -> Answered | Failed:
        asked = sought(query.text)
        try:
            after = decode(query.cursor, asked) if query.cursor else None
        except BadCursorError as error:
            return Failed(error=AnswerError(code=ErrorCode.BAD_CURSOR, message=f"the cursor {error}"))
        if stale := await self._freshness.wait(demand):
            return stale
        found = await self._page(asked, after, query.limit + 1) if asked else []
        items, more = found[: query.limit], len(found) > query.limit
        return Answered(
            data={
                "items": [user_view(document) for _, document in items],
                "next_cursor": encode(items[-1][0], asked) if more else None,
            },
            as_of=AsOf(time=max((document["updated_at"] for _, document in items), default=None)),
        )

    async def _page(
        self, asked: Sequence[str], after: SearchCursor | None, count: int
    ) -> list[tuple[SearchCursor, Document]]:
        directory = self._directory()
        path = after.path if after else await shortest(directory, paths(asked))
        found: list[tuple[SearchCursor, Document]] = []
        for beginning in path.beginnings:
            if after is not None and beginning + BEYOND <= after.key:
                continue
            request = entries(path, beginning, after)
            async with directory.find(**request, batch_size=count + 1) as documents:
                async for document in documents:
                    key = path.key_of(document[path.field])
                    if after is None or (key, document["_id"]) > (after.key, after.user_id):
                        found.append((SearchCursor(path, key, document["_id"]), document))
                        if len(found) == count:
                            return found
        return found


def entries(path: Path, beginning: str, after: SearchCursor | None) -> dict[str, Any]:
    """The arguments of `find` for the users with a key that begins so and all that is asked of them, in the order of
    the index; `after` itself included.

    `min` and `max` bound the index itself, so that its order is that of the answer: a `sort` by an array's
    elements would be a sort in memory.
    """
    start = {path.field: beginning, "_id": MinKey()}
    if after is not None and after.key >= beginning:
        start = {path.field: after.key, "_id": after.user_id}
    return {
        "filter": {"$and": [_has(prefix) for prefix in path.asked]} if path.asked else {},
        "hint": KEYS[path.field],
        "min": start,
        "max": {path.field: beginning + BEYOND, "_id": MinKey()},
    }


async def shortest(directory: Collection, known: Sequence[Path]) -> Path:
    """The path with the fewest keys, as far as `MOST_COUNTED` of each tell; else the last, which says most."""
    if len(known) == 1:
        return known[0]
    lengths = await asyncio.gather(*(_length(directory, path) for path in known))
    return min(zip(lengths, reversed(range(len(known))), known, strict=True), key=lambda length: length[:2])[2]


async def _length(directory: Collection, path: Path) -> int:
    """Read from the index alone: nothing but the id is wanted of the documents."""
    length = 0
    for beginning in path.beginnings:
        keys = entries(Path(path.field, path.beginnings, ()), beginning, None)
        length += len(await directory.find(**keys, projection={"_id": 1}, limit=MOST_COUNTED - length or 1).to_list())
        if length >= MOST_COUNTED:
            break
    return length


def _has(prefix: str) -> dict[str, Any]:
    return {"words": {"$elemMatch": {"$gte": prefix, "$lt": prefix + BEYOND}}}
