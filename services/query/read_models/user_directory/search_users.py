import asyncio
from collections.abc import Sequence
from typing import Any

from bson import MinKey

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import Collection, CollectionSource
from services.query.read_model import Document
from services.query.read_models.user_directory.indexes import WORDS
from services.query.read_models.user_directory.page_cursor import SearchCursor, decode, encode
from services.query.read_models.user_directory.words import sought
from services.query.read_models.users.view import user_view
from services.query.sealed_cursor import BadCursorError
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import SearchUsers

RARE = 200
"""A prefix with fewer entries than that is told from others with fewer; all beyond count as the same."""
BEYOND = "\U0010ffff"
"""Follows every character that a word can hold."""


class SearchUsersHandler:
    """Goes along the index entries of the rarest prefix and keeps the users who have the others, too: nothing is
    sorted, and a page costs what it shows.

    A user with several words of that prefix has an entry for each and is shown at the first of them.
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
        driver = after.driver if after else await rarest(directory, asked)
        found: list[tuple[SearchCursor, Document]] = []
        async with directory.find(**entries(asked, driver, after), batch_size=count + 1) as documents:
            async for document in documents:
                word = next(word for word in document["words"] if word.startswith(driver))
                if after is None or (word, document["_id"]) > (after.word, after.user_id):
                    found.append((SearchCursor(driver, word, document["_id"]), document))
                    if len(found) == count:
                        break
        return found


def entries(asked: Sequence[str], driver: str, after: SearchCursor | None) -> dict[str, Any]:
    """The arguments of `find` for the users with a word that begins with `driver`, and the others of `asked`, in the
    order of the index; `after` itself included.

    `min` and `max` bound the index itself, so that its order is that of the answer: a `sort` by an array's
    elements would be a sort in memory.
    """
    start = {"words": after.word, "_id": after.user_id} if after else {"words": driver, "_id": MinKey()}
    return {
        "filter": {"$and": [_has(prefix) for prefix in asked if prefix != driver]} if len(asked) > 1 else {},
        "hint": WORDS,
        "min": start,
        "max": {"words": driver + BEYOND, "_id": MinKey()},
    }


async def rarest(directory: Collection, asked: Sequence[str]) -> str:
    """The prefix with the fewest users, as far as `RARE` of each tell; else the longest."""
    if len(asked) == 1:
        return asked[0]
    counts = await asyncio.gather(
        *(directory.count_documents(_has(prefix), limit=RARE, hint=WORDS) for prefix in asked)
    )
    return min(zip(counts, asked, strict=True), key=lambda counted: (counted[0], -len(counted[1])))[1]


def _has(prefix: str) -> dict[str, Any]:
    return {"words": {"$elemMatch": {"$gte": prefix, "$lt": prefix + BEYOND}}}
