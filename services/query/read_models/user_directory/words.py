"""The words that users are found by, without regard to case and accents."""

import re
import unicodedata

LONGEST_WORD = 64
"""Longer ones are cut: it bounds the index keys, and who types that much has found the user."""

_WORD = re.compile(r"[^\W_]+")
_LETTERS_OF_THEIR_OWN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i", "ħ": "h"}
)
"""Letters that Unicode does not take apart into a letter and an accent."""


def words(*texts: str) -> list[str]:
    """The different words of the texts, folded, in order: `"Zoë O'Brien"` → `["brien", "o", "zoe"]`."""
    return sorted({word[:LONGEST_WORD] for text in texts for word in _WORD.findall(folded(text))})


def sought(text: str) -> list[str]:
    """The prefixes that a search asks for; one that begins another asks for nothing more and is left out."""
    asked = words(text)
    return [word for word in asked if not any(other != word and other.startswith(word) for other in asked)]


def folded(text: str) -> str:
    """`"Ångström STRASSE"` → `"angstrom strasse"`."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in apart if not unicodedata.combining(char)).translate(_LETTERS_OF_THEIR_OWN)
