"""Messages that came together, on their way through the lanes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.query.domain_event import DomainEvent
from services.query.projector.incoming import UnreadableMessageError
from shared.messaging.envelope import Delivery, Receipt


@dataclass(eq=False, slots=True)
class Chunk:
    """`receipts` are of all of them, in place of the messages: those take ten times the memory. `events` are by type of
    aggregate, `markers` by read model, `kinds` are types of messages and how many there are.

    `waiting` are the lanes that have it in hand. When the last one has let go of it, `let_go` is called.
    """

    receipts: Sequence[Receipt]
    events: Mapping[str, list[DomainEvent]]
    markers: Mapping[str, list[Delivery]]
    letters: Sequence[tuple[Delivery, UnreadableMessageError]]
    kinds: Counter[str]
    let_go: Callable[["Chunk"], None]
    waiting: set[str] = field(default_factory=set)

    def least_position(self, aggregate_type: str) -> int:
        """Of its events of that type, of which there must be one."""
        return min(event.position for event in self.events[aggregate_type])

    def done(self, lane: str) -> None:
        """This lane has applied it, or has put on record that it has not."""
        self.waiting.discard(lane)
        if not self.waiting:
            self.let_go(self)
