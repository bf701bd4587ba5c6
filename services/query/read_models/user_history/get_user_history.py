from typing import Any

from pymongo import DESCENDING

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import CollectionSource
from services.query.mongo.document_loader import DocumentLoader
from services.query.read_model import Document
from services.query.read_models.user_history.entries import key
from services.query.read_models.users.view import NOT_FOUND
from services.query.sealed_cursor import BadCursorError, seal, unseal
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import GetUserHistory

_FORMAT = 1
LARGEST_VERSION = 2**63 - 1


class GetUserHistoryHandler:
    """Newest first, in the order of versions, which never change: pages can't shift."""

    def __init__(self, users: DocumentLoader, entries: CollectionSource, freshness: Freshness) -> None:
        self._users = users
        self._entries = entries
        self._freshness = freshness

    async def __call__(self, query: GetUserHistory, demand: Demand) -> Answered | Failed:
        try:
            before = decode(query.cursor, query.user_id) if query.cursor else LARGEST_VERSION
        except BadCursorError as error:
            return Failed(error=AnswerError(code=ErrorCode.BAD_CURSOR, message=f"the cursor {error}"))
        user = await self._users.load(query.user_id)
        if not self._freshness.is_met(demand, user):
            if stale := await self._freshness.wait(demand):
                return stale
            user = await self._users.load(query.user_id)
        if user is None:
            return NOT_FOUND
        before = min(before, user["version"] + 1)  # what is beyond its version is not in the document yet
        found = await self._entries().find(**page_request(query, before)).to_list()
        items, more = found[: query.limit], len(found) > query.limit
        return Answered(
            data={
                "items": [entry_view(entry) for entry in items],
                "next_cursor": encode(query.user_id, items[-1]["_id"]["version"]) if more else None,
            },
            as_of=AsOf(version=user["version"], time=user.get("updated_at")),
        )


def page_request(query: GetUserHistory, before: int) -> dict[str, Any]:
    """The arguments of `find` for the entries before that version, and one more that tells whether there are others."""
    return {
        "filter": {"_id": {"$gt": key(query.user_id, 0), "$lt": key(query.user_id, before)}},
        "sort": [("_id", DESCENDING)],
        "limit": query.limit + 1,
    }


def entry_view(entry: Document) -> dict[str, Any]:
    """The fields of a `HistoryEntry`."""
    shown = ("event_id", "type", "time", "actor", "causation_id", "correlation_id", "changes")
    return {"version": entry["_id"]["version"], **{field: entry[field] for field in shown}}


def encode(user_id: str, version: int) -> str:
    return seal([_FORMAT, user_id, version])


def decode(cursor: str, user_id: str) -> int:
    """The version that the page before ended with. Raises BadCursorError."""
    form, its_user, version = unseal(cursor, 3)
    if form != _FORMAT or not isinstance(version, int) or not 0 < version <= LARGEST_VERSION:
        raise BadCursorError("is of another version")
    if its_user != user_id:
        raise BadCursorError("belongs to another user")
    return version
