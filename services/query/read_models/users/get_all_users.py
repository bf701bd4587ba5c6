from typing import Any, get_args

from pymongo import ASCENDING, DESCENDING

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import CollectionSource
from services.query.read_model import Document
from services.query.read_models.users.page_cursor import PageCursor, decode, encode
from services.query.read_models.users.view import user_view
from services.query.sealed_cursor import BadCursorError
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import GetAllUsers
from shared.contracts.views import UserView

SORT_FIELDS = {"created_at": "created_at", "name": "name_key"}
STATUSES = get_args(UserView.model_fields["status"].annotation)
"""All that a user may have."""


class GetAllUsersHandler:
    """Keyset paging: page 1,000 costs what page 1 does, and users who come or go don't shift the others."""

    def __init__(self, users: CollectionSource, freshness: Freshness) -> None:
        self._users = users
        self._freshness = freshness

    async def __call__(self, query: GetAllUsers, demand: Demand) -> Answered | Failed:
        try:
            after = decode(query.cursor, sort=query.sort, status=query.status) if query.cursor else None
        except BadCursorError as error:
            return Failed(error=AnswerError(code=ErrorCode.BAD_CURSOR, message=f"the cursor {error}"))
        if stale := await self._freshness.wait(demand):
            return stale
        found = await self._users().find(**page_request(query, after)).to_list()
        items, more = found[: query.limit], len(found) > query.limit
        return Answered(
            data={
                "items": [user_view(document) for document in items],
                "next_cursor": encode(_end_of(items[-1], query)) if more else None,
            },
            as_of=AsOf(time=max((document["updated_at"] for document in items), default=None)),
        )


def page_request(query: GetAllUsers, after: PageCursor | None) -> dict[str, Any]:
    """The arguments of `find` for a page and the one document beyond it that tells whether there are more."""
    field = SORT_FIELDS[query.sort.removeprefix("-")]
    descending = query.sort.startswith("-")
    direction = DESCENDING if descending else ASCENDING
    beyond = "$lt" if descending else "$gt"
    # Each is one range of the index, in order, and MongoDB merges them: users that tie with the last one are not read
    # again. An erased user has no status and is not listed.
    ranges: list[dict[str, Any]] = []
    for status in STATUSES if query.status is None else (query.status,):
        if after is None:
            ranges.append({"status": status})
        else:
            ranges.append({"status": status, field: after.key, "_id": {beyond: after.user_id}})
            ranges.append({"status": status, field: {beyond: after.key}})
    return {
        "filter": {"$or": ranges},
        "sort": [(field, direction), ("_id", direction)],
        "limit": query.limit + 1,
    }


def _end_of(document: Document, query: GetAllUsers) -> PageCursor:
    return PageCursor(query.sort, query.status, document[SORT_FIELDS[query.sort.removeprefix("-")]], document["_id"])
