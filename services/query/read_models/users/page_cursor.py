"""Where a page of users ends, as an opaque text: `next_cursor`.

It says which order and filter it belongs to, and its digest tells a damaged or invented one. It is no secret and is not
signed: whoever forges one gets a page of the list that anybody may ask for.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_FORMAT = 1
_DIGEST_BYTES = 8


class BadCursorError(ValueError):
    """The text is no cursor, or one of another order or filter."""


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The last user of a page: the key that it is sorted by, and its id for users that tie."""

    sort: str
    status: str | None
    key: str | datetime
    user_id: str


def encode(cursor: PageCursor) -> str:
    key = round(cursor.key.timestamp() * 1000) if isinstance(cursor.key, datetime) else cursor.key
    fields = [_FORMAT, cursor.sort, cursor.status, key, cursor.user_id]
    content = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def decode(text: str, *, sort: str, status: str | None) -> PageCursor:
    """Raises BadCursorError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if digest != _digest(content):
            raise BadCursorError("is damaged")
        fields: list[Any] = json.loads(content)
        version, its_sort, its_status, key, user_id = fields
        if version != _FORMAT or not isinstance(user_id, str):
            raise BadCursorError("is of another version")
        if (its_sort, its_status) != (sort, status):
            raise BadCursorError("belongs to another sort or status")
        user_id.encode()  # a lone surrogate must not reach the store
        return PageCursor(sort, status, _key(sort, key), user_id)
    except BadCursorError:
        raise
    except (binascii.Error, ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise BadCursorError("is not a cursor") from error


def _key(sort: str, key: object) -> str | datetime:
    if sort.removeprefix("-") == "created_at" and isinstance(key, int) and not isinstance(key, bool):
        return datetime.fromtimestamp(key / 1000, UTC)
    if sort.removeprefix("-") == "name" and isinstance(key, str):
        key.encode()
        return key
    raise BadCursorError("is not a cursor")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, person=b"users page").digest()
