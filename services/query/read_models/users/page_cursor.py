"""Where a page of users ends, as `next_cursor` tells it: it belongs to one order and one filter."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.query.sealed_cursor import BadCursorError, Field, seal, unseal

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The last user of a page: the key that it is sorted by, and its id for users that tie."""

    sort: str
    status: str | None
    key: str | datetime
    user_id: str


def encode(cursor: PageCursor) -> str:
    key = round(cursor.key.timestamp() * 1000) if isinstance(cursor.key, datetime) else cursor.key
    return seal([_FORMAT, cursor.sort, cursor.status, key, cursor.user_id])


def decode(text: str, *, sort: str, status: str | None) -> PageCursor:
    """Raises BadCursorError."""
    version, its_sort, its_status, key, user_id = unseal(text, 5)
    if version != _FORMAT or not isinstance(user_id, str):
        raise BadCursorError("is of another version")
    if (its_sort, its_status) != (sort, status):
        raise BadCursorError("belongs to another sort or status")
    return PageCursor(sort, status, _key(sort, key), user_id)


def _key(sort: str, key: Field) -> str | datetime:
    if sort.removeprefix("-") == "created_at" and isinstance(key, int):
        try:
            return datetime.fromtimestamp(key / 1000, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise BadCursorError("is not a cursor") from error
    if sort.removeprefix("-") == "name" and isinstance(key, str):
        return key
    raise BadCursorError("is not a cursor")
