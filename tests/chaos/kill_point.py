"""`kill -9` of our own process, the n-th time that it passes a named point."""

import os
import signal


class KillPoint:
    """From CHAOS_KILL_AT, `<point>:<n>`: dies when `passed(<point>)` is called for the n-th time, n ≥ 1."""

    def __init__(self) -> None:
        self._point, _, times = os.environ["CHAOS_KILL_AT"].partition(":")
        self._left = int(times)

    def passed(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
