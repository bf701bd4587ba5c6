"""What a delivery turns out to be, before any store is asked."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.command.pipeline.dead_letter import DeadLetter
from shared.contracts.base import Command
from shared.contracts.outcome import Rejected
from shared.messaging.envelope import Delivery


class CommandArrived(NamedTuple):
    """A command that keeps its contract; the domain may still say no."""

    delivery: Delivery
    command_id: UUID
    command: Command
    expected_version: int | None
    content_hash: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandExpired:
    """A command whose `expiration` ran out in its queue: it may not be applied any more."""

    delivery: Delivery
    command_id: UUID
    type: str
    content_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprocessable:
    """A message that becomes a dead letter. `rejected` is the outcome to tell, where there is one."""

    delivery: Delivery
    letter: DeadLetter
    command_id: UUID | None = None
    rejected: Rejected | None = None


Arrival: TypeAlias = CommandArrived | CommandExpired | Unprocessable
