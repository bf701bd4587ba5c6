"""The ways along an index on which a search can find its users."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from services.query.read_models.user_directory.pairs import ranges_of

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

    def key_of(self, keys: Sequence[str]) -> str:
        """The first of a user's keys, which are in order, that is on this path."""
        return next(key for key in keys if key.startswith(self.beginnings))


def paths(asked: Sequence[str]) -> list[Path]:
    """The same for the same prefixes, which are sorted and none of which begins another."""
    leading = sorted(sorted(asked, key=len, reverse=True)[:MOST_PAIRED])
    along_words = [Path("words", (prefix,), tuple(other for other in asked if other != prefix)) for prefix in leading]
    along_pairs = [Path("pairs", ranges_of(*both), tuple(asked)) for both in combinations(leading, 2)]
    return along_words + along_pairs
