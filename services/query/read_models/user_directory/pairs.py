"""Two words of a user as one key: what makes a search for two frequent prefixes cost what it finds.

Of each two different words, the first (in the order of words) cut to 3 letters, then the second cut to 8, then what
follows the 3 letters of the first: `["alice", "liddell", "o"]` → `["ali liddell ce", "ali o ce", "lid o dell"]`. The
space sorts before all that a word can hold. So there are two kinds of searches by one beginning of keys, or few:
"ali lid" by the first letters, and "alice liddell" by whole words, with no look at who has others that begin so.

Words are in pairs as far as their first digit (`liddell` for `liddell123`), and those that begin with one are in none:
what has a digit in it is rare, most often, and found by itself; and every second e-mail address has some. What most
addresses end in is in no pair either: whoever goes along another word meets it everywhere, and it would be in every
second or third key.
"""

import re
from collections.abc import Sequence

FEWEST_LETTERS, FIRST_LETTERS, MOST_LETTERS = 2, 3, 8
"""A first word's two letters are sought by all the keys that begin so: another key for them would cost every create."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""In order. A first word whose third letter is another one is cut to 2, and a second one that goes on with others than
these is cut before them, so that all keys can be named.
"""
MOST_WORDS = 12
"""Of a user with more words no pairs are kept, which bounds the index, but for each word that there is another one."""
ENDINGS = frozenset(("com", "net", "org"))
"""Words in no pair, and so no prefix that one of them begins with is sought along pairs."""
ANY = "*"
"""Sorts before every letter and digit."""

_DIGIT = re.compile("[0-9]")
_BEGIN_ENDINGS = frozenset(word[:length] for word in ENDINGS for length in range(1, len(word) + 1))
_NAMED = re.compile(f"[{LETTERS}]+")


def pairs(words: Sequence[str]) -> list[str]:
    """`words` are sorted and all different, and so is the result."""
    stems = sorted({stem for word in words if (stem := _DIGIT.split(word, 1)[0])} - ENDINGS)
    if len(stems) > MOST_WORDS:
        return sorted({f"{_parts(stem)[0]} {ANY}" for stem in stems if leads(stem)})
    seconds = [_second(stem) for stem in stems]
    keys: set[str] = set()
    for at, one in enumerate(stems, start=1):
        if leads(one):
            first, rest = _parts(one)
            keys.update([f"{first} {second} {rest}" for second in seconds[at:]])
    return sorted(keys)


def leads(word: str) -> bool:
    """Whether a word, or the beginning of one, is long enough to be the first of a pair."""
    return len(word) >= FEWEST_LETTERS


def is_paired(prefix: str) -> bool:
    """Whether each word that begins so is in the pairs as one that begins so."""
    return prefix not in _BEGIN_ENDINGS and _DIGIT.search(prefix) is None


def ranges_of(one: str, other: str) -> tuple[str, ...]:
    """How the keys begin, in order, under which users with words that begin so may be found: `one` leads, `other`
    follows.
    """
    second = _second(other)
    if len(one) == FEWEST_LETTERS:
        firsts = [one, *(one + third for third in LETTERS)]
        return tuple(f"{first} {begins}" for first in firsts for begins in (ANY, second))
    first, rest = _parts(one)
    if rest and (second != other or len(second) == MOST_LETTERS):  # keys hold no more of it
        return f"{first} {ANY}", f"{first} {second} {rest}"
    if rest and second[0] in LETTERS:
        return f"{first} {ANY}", f"{first} {second} {rest}", *(f"{first} {second}{letter}" for letter in LETTERS)
    return f"{first} {ANY}", f"{first} {second}"


def are_whole(one: str, other: str) -> bool:
    """Whether keys hold as much of words as these beginnings have, and begin with all of it."""
    if other != _second(other):
        return False
    return len(one) == FEWEST_LETTERS or not _parts(one)[1] or len(other) == MOST_LETTERS >= len(one)


def _parts(word: str) -> tuple[str, str]:
    """As the first of a pair: what a key begins with, and what it ends with."""
    letters = FIRST_LETTERS if word[FEWEST_LETTERS : FEWEST_LETTERS + 1] in LETTERS else FEWEST_LETTERS
    return word[:letters], word[letters:MOST_LETTERS]


def _second(word: str) -> str:
    cut = word[:MOST_LETTERS]
    if cut.isascii():
        return cut
    return found.group() if (found := _NAMED.match(cut)) else cut
