"""What an aggregate answers to a command: events, or a reasoned no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.contracts.base import Event
from shared.contracts.outcome import RejectionCode


@dataclass(frozen=True, slots=True)
class Rejection:
    """A business rule said no. `message` is a sentence for people, `details` says the same to programs."""

    code: RejectionCode
    message: str
    details: Mapping[str, Any] | None = None


Decision: TypeAlias = Sequence[Event] | Rejection
"""No events at all: the command is accepted and changes nothing."""
