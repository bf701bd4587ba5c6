"""Two words of a user as one key: what makes a search for two frequent prefixes cost what it finds.

Of each two different words, the first (in the order of words) cut to 3 letters, and the second to 8:
`["alice", "liddell", "o"]` → `["ali liddell", "ali o", "lid o"]`. The space sorts before all that a word can hold.
"""

from collections.abc import Sequence
from itertools import combinations

FEWEST_LETTERS, FIRST_LETTERS, SECOND_LETTERS = 2, 3, 8
"""A first word's two letters are sought by all the keys that begin so: another key for them would cost every create."""
THIRD_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""In order. A first word whose third letter is another one is cut to 2, so that all keys can be named."""
MOST_WORDS = 12
"""Of a user with more words no pairs are kept, which bounds the index, but for each word that there is another one."""
ANY = "*"
"""Sorts before every letter and digit."""


def pairs(words: Sequence[str]) -> list[str]:
    """`words` are sorted and all different, and so is the result."""
    if len(words) > MOST_WORDS:
        return sorted({f"{_cut(word)} {ANY}" for word in words if leads(word)})
    return sorted({f"{_cut(one)} {other[:SECOND_LETTERS]}" for one, other in combinations(words, 2) if leads(one)})


def leads(word: str) -> bool:
    """Whether a word, or the beginning of one, is long enough to be the first of a pair."""
    return len(word) >= FEWEST_LETTERS


def ranges_of(one: str, other: str) -> tuple[str, ...]:
    """How the keys begin, in order, under which users with words that begin so may be found: `one` leads, `other`
    follows.
    """
    firsts = [_cut(one)] if len(one) > FEWEST_LETTERS else [one, *(one + third for third in THIRD_LETTERS)]
    return tuple(f"{first} {second}" for first in firsts for second in (ANY, other[:SECOND_LETTERS]))


def are_whole(one: str, other: str) -> bool:
    """Whether keys hold as much of words as these beginnings have."""
    return (len(one) == FEWEST_LETTERS or one == _cut(one)) and len(other) <= SECOND_LETTERS


def _cut(word: str) -> str:
    return word[: FIRST_LETTERS if word[FEWEST_LETTERS : FEWEST_LETTERS + 1] in THIRD_LETTERS else FEWEST_LETTERS]
