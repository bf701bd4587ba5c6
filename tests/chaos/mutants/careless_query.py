"""Query services as careless teams write them: each function here puts one mistake into the real one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo import InsertOne, ReplaceOne

from services.query import bootstrap
from services.query.domain_event import DomainEvent
from services.query.mongo.bulk import Write
from services.query.projector import fold as folding
from services.query.projector import folded_projection
from services.query.projector.fold import Failure, Folded, version_of
from services.query.projector.folded_projection import FoldedProjection
from services.query.read_model import Document, FoldedModel
from tests.chaos.mutants.eager_consumer import EagerConsumer
from tests.chaos.mutants.patching import put


def projector_acks_first() -> None:
    """Acknowledges events when they arrive, and writes them after."""
    put(bootstrap, "AmqpBatchConsumer", EagerConsumer)


def no_version_guard() -> None:
    """Takes every event as the next one, and writes documents whatever version stands there."""

    def fold(model: FoldedModel, document: Document | None, events: Iterable[DomainEvent], check: Any = None) -> Folded:
        return _all_of(model, document, list(events))

    def unguarded(_self: FoldedProjection, loaded: Document | None, document: Document) -> Write:
        return InsertOne(document) if loaded is None else ReplaceOne({"_id": document["_id"]}, document)

    put(folded_projection, "fold", fold)
    put(FoldedProjection, "_guarded", unguarded)


def gap_ignored() -> None:
    """Drops what is older than the document, and takes anything newer, whether or not there is something missing."""

    def fold(model: FoldedModel, document: Document | None, events: Iterable[DomainEvent], check: Any = None) -> Folded:
        ordered = sorted(events, key=lambda event: event.version)
        return _all_of(model, document, [event for event in ordered if event.version > version_of(document)])

    put(folded_projection, "fold", fold)


def _all_of(model: FoldedModel, document: Document | None, events: Sequence[DomainEvent]) -> Folded:
    """One after the other as they come; what can't be applied is passed over."""
    details: list[Any] = []
    for event in events:
        result = folding._apply(model, document, event, None)
        if not isinstance(result, Failure):
            document, added = result
            details.extend(added)
    return Folded(document, tuple(details), tuple(events))


CARELESS: Mapping[str, Callable[[], None]] = {
    "projector-acks-first": projector_acks_first,
    "no-version-guard": no_version_guard,
    "gap-ignored": gap_ignored,
}
