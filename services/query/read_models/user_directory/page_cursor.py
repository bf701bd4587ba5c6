"""Where a page of search results ends, as `next_cursor` tells it: it belongs to the words that were asked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.query.read_models.user_directory.paths import Path, paths
from services.query.sealed_cursor import BadCursorError, seal, unseal

_FORMAT = 6


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """The last user of a page: the key found, and his position. `path` is what the list goes along."""

    path: Path
    key: str
    position: int


def encode(cursor: SearchCursor, asked: Sequence[str]) -> str:
    return seal([_FORMAT, _fingerprint(asked), paths(asked).index(cursor.path), cursor.key, cursor.position])


def decode(text: str, asked: Sequence[str]) -> SearchCursor:
    """Raises BadCursorError."""
    version, its_words, number, key, position = unseal(text, 5)
    if version != _FORMAT or not isinstance(key, str) or not isinstance(position, int):
        raise BadCursorError("is of another version")
    if its_words != _fingerprint(asked):
        raise BadCursorError("belongs to another text")
    known = paths(asked)
    if not isinstance(number, int) or not 0 <= number < len(known) or not key.startswith(known[number].beginnings):
        raise BadCursorError("is not a cursor")
    return SearchCursor(known[number], key, position)


def _fingerprint(asked: Sequence[str]) -> str:
    return hashlib.blake2b(" ".join(asked).encode(), digest_size=8).hexdigest()
