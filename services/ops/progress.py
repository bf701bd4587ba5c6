"""How far long work has come, on stderr."""

import time

from services.ops.terminal import note

EVERY_SECONDS = 2.0


class Progress:
    """Says nothing of work that is done within two seconds, and then every two seconds how much of it is."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._said = time.monotonic()

    def advance(self, number: int = 1) -> None:
        self._done += number
        if self._done < self._total and time.monotonic() - self._said >= EVERY_SECONDS:
            self._said = time.monotonic()
            note(f"{self._what} {self._done} of {self._total}")
