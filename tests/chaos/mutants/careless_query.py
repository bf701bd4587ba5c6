"""Query services as careless teams write them: each function here puts one mistake into the real one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pymongo import InsertOne, ReplaceOne

from services.query import bootstrap
from services.query.domain_event import DomainEvent
from services.query.projector import fold as folding
from services.query.projector import folded_projection
from services.query.projector.fold import Failure, Folded, by_aggregate, version_of
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.projection import Tally
from services.query.read_model import Document, FoldedModel
from tests.chaos.mutants.eager_consumer import EagerConsumer
from tests.chaos.mutants.patching import put


def projector_acks_first() -> None:
    """Acknowledges events when they arrive, and writes them after."""
    put(bootstrap, "AmqpBatchConsumer", EagerConsumer)


def no_version_guard() -> None:
    """Takes every event as the next one, and writes documents whatever version stands there."""

    async def apply(self: Any, messages: Sequence[DomainEvent]) -> Tally:
        pending = by_aggregate(messages)
        loaded = await self._load(list(pending))
        folded = {key: _all_of(self._model, loaded.get(key), events) for key, events in pending.items()}
        changed = {key: result.document for key, result in folded.items() if result.document is not None}
        writes = [
            ReplaceOne({"_id": key}, document) if key in loaded else InsertOne(document)
            for key, document in changed.items()
        ]
        if writes:
            await self._write_guarded(writes, [detail for key in changed for detail in folded[key].details])
        self._advanced({key: result.version for key, result in folded.items()})
        return Tally(applied=len(messages))

    put(FoldedProjection, "apply", apply)


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
