"""What the projector runs: a read model with all that writing it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from shared.messaging.envelope import Delivery

MessageT = TypeVar("MessageT")


class ContendedError(Exception):
    """Others wrote the same documents again and again; to be tried once more a little later."""


@dataclass(slots=True)
class Tally:
    """What became of the events of a batch, counted; `newest` is the time of the last one written."""

    applied: int = 0
    duplicate: int = 0
    gap_healed: int = 0
    parked: int = 0
    ignored: int = 0
    newest: datetime | None = None

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.applied + other.applied,
            self.duplicate + other.duplicate,
            self.gap_healed + other.gap_healed,
            self.parked + other.parked,
            self.ignored + other.ignored,
            max(filter(None, (self.newest, other.newest)), default=None),
        )


class Projection(Protocol[MessageT]):
    name: str

    def read(self, delivery: Delivery) -> MessageT:
        """Raises UnreadableMessageError for what can never be projected."""
        ...

    async def apply(self, messages: Sequence[MessageT]) -> Tally:
        """Returns when the effect of all of them is safely written; applying them again changes nothing.

        Raises PyMongoError, EventLogUnavailableError and ContendedError: all to be tried again later.
        """
        ...
