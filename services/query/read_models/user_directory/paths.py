"""The ways along an index on which a search can find its users."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from services.query.read_models.user_directory.pairs import are_whole, is_paired, leads, pairs, ranges_of

MOST_PAIRED = 4
"""Of many prefixes the longest lead: they are the rarest, most often."""


@dataclass(frozen=True, slots=True)
class Path:
    """`field` is `words` or `pairs`. All users that are sought have a key there that begins with one of `beginnings`
    (which are in order), and perhaps others have, too: `asked` is what must be looked for in each.
    """

    field: str
    beginnings: tuple[str, ...]
    asked: tuple[str, ...]

    is_exact: bool = False
    """Whether everybody on the path is sought (but for users with very many words)."""

    def key_of(self, words: Sequence[str]) -> str:
        """The first of a user's keys that is on this path."""
        keys = words if self.field == "words" else pairs(words)
        return next(key for key in keys if key.startswith(self.beginnings))


def paths(asked: Sequence[str]) -> list[Path]:
    """The same for the same prefixes, which are sorted and none of which begins another."""
    leading = sorted(sorted(asked, key=len, reverse=True)[:MOST_PAIRED])
    along_words = [Path("words", (prefix,), tuple(other for other in asked if other != prefix)) for prefix in leading]
    along_pairs = [
        Path("pairs", ranges_of(*both), tuple(asked), is_exact=len(asked) == 2 and are_whole(*both))
        for both in combinations(filter(is_paired, leading), 2)
        if leads(both[0])
    ]
    return along_words + along_pairs
