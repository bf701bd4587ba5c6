"""Who holds the others up: pure.

The broker delivers no more than so many messages that are not acknowledged. While there is room nobody delays anybody.
When there is none, who has done all that is there waits for who has not. A lane is given up on when it finishes nothing
at all for 2 s, or when the others spend more than three quarters of that time waiting for it alone: lanes that merely
differ in speed, while all of them have much to do, go on side by side. Where batches take long, because the machine or
MongoDB is overloaded, patience grows with them: to read the log instead would only add to the load.
"""

from collections.abc import Sequence
from typing import Protocol

PATIENCE_SECONDS = 2.0
BATCHES = 4
"""The time of the longest one counts that many times as well."""
RELIEF = 3.0
"""Seconds of waiting that are forgotten for a second without."""


class Runner(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def is_busy(self) -> bool:
        """Whether it has something in hand."""
        ...

    @property
    def progress_at(self) -> float:
        """When it finished something last, or else got it into its empty hands (time.monotonic())."""
        ...

    @property
    def batch_seconds(self) -> float:
        """How long its last batch took."""
        ...


class HoldUps:
    def __init__(self) -> None:
        self._waited: dict[str, float] = {}
        self._looked_at: float | None = None

    def look(self, lanes: Sequence[Runner], *, is_full: bool, now: float) -> list[str]:
        """Which lanes the others should go on without. To be called again and again; `is_full` when the broker delivers
        nothing more.
        """
        passed = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        busy = [lane for lane in lanes if lane.is_busy]
        somebody_waits = is_full and len(busy) < len(lanes)
        patience = PATIENCE_SECONDS + BATCHES * max((lane.batch_seconds for lane in lanes), default=0.0)
        given_up = []
        for lane in lanes:
            waited = self._waited.get(lane.name, 0.0)
            waited = waited + passed if somebody_waits and busy == [lane] else max(0.0, waited - RELIEF * passed)
            stands_still = lane.is_busy and now - lane.progress_at > patience
            if somebody_waits and (waited > patience or stands_still):
                given_up.append(lane.name)
                waited = 0.0
            self._waited[lane.name] = waited
        return given_up
