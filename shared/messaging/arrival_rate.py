"""How fast messages arrive just now: pure."""

from math import exp

MEMORY_SECONDS = 0.1
BUSY = 500.0
"""Messages a second, from which on it pays to wait as long as is allowed, unless it is known better."""


class ArrivalRate:
    """A moving average: what came longer ago than `MEMORY_SECONDS` counts for little.

    `busy` is BUSY of messages that cost more, or less, than others. `power` says how what is worth waiting grows with
    the rate: with 0.5 it is half at a quarter of `busy`. Times are seconds of any clock that doesn't go back.
    """

    def __init__(self, busy: float = BUSY, power: float = 1.0) -> None:
        self._busy = busy
        self._power = power
        self._per_second = 0.0
        self._counted_at = -float("inf")

    def count(self, messages: int, now: float) -> None:
        self._per_second = self._rate(now) + messages / MEMORY_SECONDS
        self._counted_at = now

    def expected_within(self, seconds: float, now: float) -> float:
        """How many messages are to come in that time, if it goes on like this."""
        return self._rate(now) * seconds

    def worth_waiting(self, longest: float, now: float) -> float:
        """Seconds: the faster messages come, the more are gained by waiting, and the longer one should, up to
        `longest`.
        """
        return longest * float(min(1.0, (self._rate(now) / self._busy) ** self._power))

    def _rate(self, now: float) -> float:
        return self._per_second * exp((self._counted_at - now) / MEMORY_SECONDS)
