"""Two words of a user as one key: what makes a search for two frequent prefixes cost what it finds.

Of each two different words, the first (in the order of words) cut to 1, 2 and 3 letters, and the second to 8:
`["alice", "liddell"]` → `["a liddell", "al liddell", "ali liddell"]`. The space sorts before all that a word can hold.
"""

from collections.abc import Sequence
from itertools import combinations

FIRST_LETTERS, SECOND_LETTERS = 3, 8
MOST_WORDS = 12
"""Of a user with more words no pairs are kept, which bounds the index, but for each word that there is another one."""
ANY = "*"
"""Sorts before every letter and digit."""


def pairs(words: Sequence[str]) -> list[str]:
    """`words` are sorted and all different, and so is the result."""
    if len(words) > MOST_WORDS:
        return sorted({f"{word[:cut]} {ANY}" for word in words for cut in _CUTS})
    return sorted({f"{one[:cut]} {other[:SECOND_LETTERS]}" for one, other in combinations(words, 2) for cut in _CUTS})


def ranges_of(one: str, other: str) -> tuple[str, str]:
    """How the keys begin under which users with words that begin so may be found; `one` sorts before `other`."""
    first = one[:FIRST_LETTERS]
    return f"{first} {ANY}", f"{first} {other[:SECOND_LETTERS]}"


def are_whole(one: str, other: str) -> bool:
    """Whether keys hold as much of words as these beginnings have."""
    return len(one) <= FIRST_LETTERS and len(other) <= SECOND_LETTERS


_CUTS = range(1, FIRST_LETTERS + 1)
