"""A place in a list as an opaque text: what every `next_cursor` is made of.

Its digest tells a damaged or invented one. It is no secret and is not signed: whoever forges one gets a page of a list
that anybody may ask for. What the fields mean, and whether they fit the question, is for each query to check.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

_DIGEST_BYTES = 8

Field = str | int | None


class BadCursorError(ValueError):
    """The text is no cursor, or one of another question."""


def seal(fields: Sequence[Field]) -> str:
    content = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def unseal(text: str, count: int) -> list[Field]:
    """The fields, `count` of them, each a text or an integer that any store takes, or None. Raises BadCursorError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if digest != _digest(content):
            raise BadCursorError("is damaged")
        fields = json.loads(content)
        if not isinstance(fields, list) or len(fields) != count or not all(map(_is_field, fields)):
            raise BadCursorError("is of another version")
    except BadCursorError:
        raise
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadCursorError("is not a cursor") from error
    return fields


def _is_field(value: object) -> bool:
    if isinstance(value, str):
        value.encode()  # a lone surrogate must not reach the store
        return True
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, person=b"page cursor").digest()
