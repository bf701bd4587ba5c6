"""How long to wait before trying again: growing, with jitter, bounded."""

from dataclasses import dataclass
from random import random

LARGEST_EXPONENT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays in seconds: doubling from `first` up to `longest`, each spread by ± `jitter` (a fraction of it)."""

    first: float = 0.1
    longest: float = 5.0
    jitter: float = 0.25

    def delay(self, attempt: int, *, chance: float | None = None) -> float:
        """Seconds to wait after failed attempt number `attempt` (1, 2, …).

        `chance` is the random number in [0, 1), for tests.
        """
        growth = 2.0 ** min(max(attempt - 1, 0), LARGEST_EXPONENT)
        base = min(self.longest, self.first * growth)
        spread = (random() if chance is None else chance) * 2 - 1  # noqa: S311 - jitter, not a secret
        return min(self.longest, base * (1 + self.jitter * spread))
