"""What a read model is: data that the projector runs and the queries read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from pymongo import IndexModel

from services.query.domain_event import DomainEvent
from shared.contracts.outcome import Accepted, Rejected
from shared.messaging.topology import EVENTS, OUTCOMES, ProjectionQueue, projection_queue

Document: TypeAlias = dict[str, Any]
"""A MongoDB document. Its `_id` is the aggregate's id (folded models) or the id of what happened (recorded models)."""

Sources: TypeAlias = tuple[tuple[str, str], ...]
"""What a model's queue is bound to: pairs of exchange and routing key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document for one event; `_id` names the event."""

    document: Document


@dataclass(frozen=True, slots=True)
class Increment:
    """Adds to the counters of the document `key`, which needs not be there; `time` (UTC) is when that happened."""

    key: Any
    amounts: Mapping[str, int]
    time: datetime


Detail: TypeAlias = Entry | Increment
"""What an event adds to a folded model beside its aggregate's document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedModel:
    """One document per aggregate: the fold of its events.

    `project(document, event)` is pure, gets None before the first event, and returns a new document without changing
    the one it was given. It is called for each event in the order of versions, once, and only for types that are
    known: `_id` and `version` are kept by the projector, which also passes over unknown types.

    `details(document, event)`, pure too, with the document before the event and called for unknown types as well,
    gives what the event adds to the model's second collection: exactly once, however often and in whatever order events
    are delivered, and by however many projectors (see projector/details.py).

    Where `details` gives entries, `entries_by` names the first field of their `_id`, which holds the aggregate's id: so
    that those of an aggregate lie together. A model has either entries or counters. An entry depends on its event
    alone, and may be seen before its document has the event's version: who reads entries reads them up to that one.

    `followed` says that live queries follow the documents: they are then replaced whole, so that a change tells what
    became of them.

    `linger_seconds` is how far apart batches begin while many events come: the more go together, the less each costs.
    The fewer come, the less they wait, and after a pause for nothing. Different times keep models from writing all at
    once. `busy` is how many events a second are many. One that `takes_turns` also lets others that do so finish what
    they write: it is less urgent than the rest.
    """

    name: str
    aggregate_type: str
    project: Callable[[Document | None, DomainEvent], Document]
    details: Callable[[Document | None, DomainEvent], Sequence[Detail]] | None = None
    entries_by: str | None = None
    followed: bool = False
    linger_seconds: float = 0.1
    busy: float = 200.0
    takes_turns: bool = True
    indexes: Sequence[IndexModel] = ()

    @property
    def sources(self) -> Sources:
        return ((EVENTS, f"{self.aggregate_type}.#"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """One document per happening, written once: the first stays.

    `record` gives the document of an event or an outcome, or None where there is nothing to record. `supersedes` gives
    the condition under which a document takes the place of the one that stands there already (None: never).
    `linger_seconds` is how long a batch waits for more to come, where more is to be expected.
    """

    name: str
    record: Callable[["DomainEvent | TimedOutcome"], Document | None]
    supersedes: Callable[[Document], Mapping[str, Any] | None]
    linger_seconds: float = 0.03
    indexes: Sequence[IndexModel] = ()
    sources: Sources = ((OUTCOMES, "#"),)
    retired_sources: Sources = ()
    """Those of earlier versions, which set-up undoes."""


@dataclass(frozen=True, slots=True)
class TimedOutcome:
    """A command's outcome, and when it was sent (null when the sender did not say)."""

    outcome: Accepted | Rejected
    time: datetime | None


ReadModel: TypeAlias = FoldedModel | RecordedModel


FEED: Final = "folded"
"""All folded models share a queue, `projections.folded`: an event is delivered and read once for all of them."""


def queue_of(model: ReadModel) -> str:
    """The queue that brings a read model its messages."""
    return projection_queue(FEED if isinstance(model, FoldedModel) else model.name)


def projection_queues(models: Sequence[ReadModel]) -> tuple[ProjectionQueue, ...]:
    """All queues that these read models need."""
    sources: dict[str, dict[tuple[str, str], None]] = {}
    retired: dict[str, Sources] = {}
    for model in models:
        name = FEED if isinstance(model, FoldedModel) else model.name
        sources.setdefault(name, {}).update(dict.fromkeys(model.sources))
        if isinstance(model, RecordedModel):
            retired[name] = model.retired_sources
    return tuple(ProjectionQueue(name, tuple(each), retired.get(name, ())) for name, each in sources.items())
