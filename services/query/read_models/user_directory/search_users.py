import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

from bson import MinKey, Regex

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import Collection, CollectionSource
from services.query.read_model import Document
from services.query.read_models.user_directory.indexes import KEYS
from services.query.read_models.user_directory.page_cursor import SearchCursor, decode, encode
from services.query.read_models.user_directory.pairs import ANY
from services.query.read_models.user_directory.paths import Path, paths
from services.query.read_models.user_directory.words import sought
from services.query.read_models.users.view import user_view
from services.query.sealed_cursor import BadCursorError
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import SearchUsers

GUESSED = 100
"""Users that are looked at, beyond a page, on the last path before it is asked which one is the shortest."""
GUESSED_ALONE = 20
"""And on each of the others, when none is short."""
LENGTHS = (500, 1_500, 5_000)
"""Paths are told apart by whether they have so many keys."""
BEYOND = "\U0010ffff"
"""Follows every character that a key can hold."""

Found: TypeAlias = tuple[SearchCursor, Document]


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

    async def _page(self, asked: Sequence[str], after: SearchCursor | None, count: int) -> list[Found]:
        directory = self._directory()
        if after is not None:
            return await _along(directory, after.path, after, count)
        known = paths(asked)
        if len(known) == 1:
            return await _along(directory, known[0], None, count)
        if (guessed := await _guess(directory, known[-1], asked, count, GUESSED)) is not None:
            return guessed
        path = await shortest(directory, known, LENGTHS[:1])
        if path is None:
            # Where two prefixes together lead to many who are not sought, one of them alone often doesn't.
            others = await asyncio.gather(
                *(_guess(directory, other, asked, count, GUESSED_ALONE) for other in known[:-1])
            )
            if (guessed := next((each for each in others if each is not None), None)) is not None:
                return guessed
            path = await shortest(directory, known, LENGTHS[1:])
        return await _along(directory, path or known[-1], None, count)


async def _guess(
    directory: Collection, path: Path, asked: Sequence[str], count: int, beyond: int
) -> list[Found] | None:
    """The first page along a path, when that is short or many there are sought; else None."""
    most = count if path.is_exact else count + beyond
    found: list[Found] = []
    looked = 0
    async with directory.find(**entries_of(path, path.beginnings, ()), limit=most, batch_size=most) as documents:
        async for document in documents:
            looked += 1
            if _is_sought(document, asked):
                found.append(_found(path, document))
                if len(found) == count:
                    return found
    return found if looked < most else None


async def _along(directory: Collection, path: Path, after: SearchCursor | None, count: int) -> list[Found]:
    left = path.beginnings
    found: list[Found] = []
    if after is not None:
        left = tuple(beginning for beginning in left if beginning + BEYOND > after.key)
        first, left = left[0], left[1:]
        async with directory.find(**entries(path, first, after, path.asked), batch_size=count + 1) as documents:
            async for document in documents:
                here = _found(path, document)
                if (here[0].key, here[0].position) > (after.key, after.position):
                    found.append(here)
                    if len(found) == count:
                        return found
    if left:
        async with directory.find(**entries_of(path, left, path.asked), batch_size=count + 1) as documents:
            async for document in documents:
                here = _found(path, document)
                if after is None or here[0].key.startswith(left):  # else it was shown at an earlier key
                    found.append(here)
                    if len(found) == count:
                        break
    return found


def entries_of(path: Path, beginnings: Sequence[str], asked: Sequence[str]) -> dict[str, Any]:
    """The arguments of `find` for the users with a key that begins like one of these, and words that begin as `asked`,
    in the order of the index: it is read in one go, from beginning to beginning.
    """
    # Not Python's own pattern, which says that it is Unicode: MongoDB makes no bounds of an index from such a one.
    keys = {path.field: {"$in": [Regex("^" + beginning.replace(ANY, "\\" + ANY)) for beginning in beginnings]}}
    return {
        "filter": {"$and": [keys, *map(_has, asked)]},
        "projection": {"pairs": 0},  # many, and made of the words
        "hint": KEYS[path.field],
    }


def entries(path: Path, beginning: str, after: SearchCursor | None, asked: Sequence[str]) -> dict[str, Any]:
    """The arguments of `find` for the users with a key that begins so and words that begin as `asked`, in the order of
    the index; `after` itself included.

    `min` and `max` bound the index itself, so that its order is that of the answer: a `sort` by an array's
    elements would be a sort in memory.
    """
    start = {path.field: beginning, "position": MinKey()}
    if after is not None and after.key >= beginning:
        start = {path.field: after.key, "position": after.position}
    return {
        "filter": {"$and": [_has(prefix) for prefix in asked]} if asked else {},
        "projection": {"pairs": 0},  # many, and made of the words
        "hint": KEYS[path.field],
        "min": start,
        "max": {path.field: beginning + BEYOND, "position": MinKey()},
    }


async def shortest(directory: Collection, known: Sequence[Path], lengths: Sequence[int]) -> Path | None:
    """The last of the shortest paths, as far as these lengths tell them apart; None when all are longer."""
    for length in lengths:
        longer = await asyncio.gather(*(_has_keys(directory, path, length) for path in known))
        shorter = [path for path, is_longer in zip(known, longer, strict=True) if not is_longer]
        if shorter:
            return shorter[-1]
    return None


async def _has_keys(directory: Collection, path: Path, length: int) -> bool:
    """Whether there are so many. Read from the index alone: nothing but what it holds is wanted."""
    keys = entries_of(path, path.beginnings, ()) | {"projection": {"_id": 0, "position": 1}}
    return bool(await directory.find(**keys, skip=length - 1, limit=1).to_list())


def _found(path: Path, document: Document) -> Found:
    # A directory that an earlier version filled has no positions until it is rebuilt.
    return SearchCursor(path, path.key_of(document["words"]), document.get("position", 0)), document


def _is_sought(document: Document, asked: Sequence[str]) -> bool:
    return all(any(word.startswith(prefix) for word in document["words"]) for prefix in asked)


def _has(prefix: str) -> dict[str, Any]:
    return {"words": {"$elemMatch": {"$gte": prefix, "$lt": prefix + BEYOND}}}
