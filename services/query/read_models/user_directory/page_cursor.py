"""Where a page of search results ends, as `next_cursor` tells it: it belongs to the words that were asked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.query.sealed_cursor import BadCursorError, seal, unseal

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """The last user of a page: the word found, and the id. `driver` is the prefix that the list goes by."""

    driver: str
    word: str
    user_id: str


def encode(cursor: SearchCursor, asked: Sequence[str]) -> str:
    return seal([_FORMAT, _fingerprint(asked), asked.index(cursor.driver), cursor.word, cursor.user_id])


def decode(text: str, asked: Sequence[str]) -> SearchCursor:
    """Raises BadCursorError."""
    version, its_words, driver, word, user_id = unseal(text, 5)
    if version != _FORMAT or not isinstance(word, str) or not isinstance(user_id, str):
        raise BadCursorError("is of another version")
    if its_words != _fingerprint(asked):
        raise BadCursorError("belongs to another text")
    if not isinstance(driver, int) or not 0 <= driver < len(asked) or not word.startswith(asked[driver]):
        raise BadCursorError("is not a cursor")
    return SearchCursor(asked[driver], word, user_id)


def _fingerprint(asked: Sequence[str]) -> str:
    return hashlib.blake2b(" ".join(asked).encode(), digest_size=8).hexdigest()
