"""Two words of a user as one key: what makes a search for two frequent prefixes cost what it finds.

Of each two different words, the first (in the order of words) cut to 2 letters, and the second to 8:
`["alice", "liddell", "o"]` → `["al liddell", "al o", "li o"]`. The space sorts before all that a word can hold.
"""

from collections.abc import Sequence
from itertools import combinations

FIRST_LETTERS, SECOND_LETTERS = 2, 8
"""Each further length of the first word would be another key for each two words; and every key costs a create."""
MOST_WORDS = 12
"""Of a user with more words no pairs are kept, which bounds the index, but for each word that there is another one."""
ANY = "*"
"""Sorts before every letter and digit."""


def pairs(words: Sequence[str]) -> list[str]:
    """`words` are sorted and all different, and so is the result."""
    if len(words) > MOST_WORDS:
        return sorted({f"{word[:FIRST_LETTERS]} {ANY}" for word in words if leads(word)})
    return sorted(
        {f"{one[:FIRST_LETTERS]} {other[:SECOND_LETTERS]}" for one, other in combinations(words, 2) if leads(one)}
    )


def leads(word: str) -> bool:
    """Whether a word, or the beginning of one, is long enough to be the first of a pair."""
    return len(word) >= FIRST_LETTERS


def ranges_of(one: str, other: str) -> tuple[str, str]:
    """How the keys begin under which users with words that begin so may be found: `one` leads, `other` follows."""
    first = one[:FIRST_LETTERS]
    return f"{first} {ANY}", f"{first} {other[:SECOND_LETTERS]}"


def are_whole(one: str, other: str) -> bool:
    """Whether keys hold as much of words as these beginnings have."""
    return len(one) == FIRST_LETTERS and len(other) <= SECOND_LETTERS
