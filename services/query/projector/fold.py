"""Folding events into one document: pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from traceback import extract_tb
from typing import TypeAlias

from services.query.domain_event import DomainEvent
from services.query.read_model import Detail, Document, Entry, FoldedModel


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an aggregate can't go on: `version` is the first that could not be applied. `reason` is a stable code."""

    version: int
    reason: str
    detail: str


@dataclass(slots=True)
class Folded:
    """What events made of a document, and the `details` that they add to it. `beyond_gap` and `held` are those that
    could not be applied: a version in between is missing, or `failure` stopped it.

    Nobody changes one: it isn't frozen only because that makes it dearer to build.
    """

    document: Document | None
    details: tuple[Detail, ...] = ()
    applied: tuple[DomainEvent, ...] = ()
    duplicates: int = 0
    beyond_gap: tuple[DomainEvent, ...] = ()
    held: int = 0
    failure: Failure | None = None

    @property
    def version(self) -> int:
        return version_of(self.document)


Check: TypeAlias = Callable[[Document], "tuple[str, str] | None"]
"""A reason and a detail why a document must not be; None when it may."""


def fold(
    model: FoldedModel, document: Document | None, events: Sequence[DomainEvent], check: Check | None = None
) -> Folded:
    """Applies, in the order of versions, what follows the document and drops what it has; stops at a gap or failure."""
    ordered = sorted(events, key=_version) if len(events) > 1 else events
    applied: list[DomainEvent] = []
    details: list[Detail] = []
    duplicates = 0
    for index, event in enumerate(ordered):
        expected = version_of(document) + 1
        if event.version < expected:
            duplicates += 1
            continue
        if event.version > expected:
            return Folded(document, tuple(details), tuple(applied), duplicates, beyond_gap=tuple(ordered[index:]))
        result = _apply(model, document, event, check)
        if isinstance(result, Failure):
            held = len(ordered) - index
            return Folded(document, tuple(details), tuple(applied), duplicates, held=held, failure=result)
        document, added = result
        details.extend(added)
        applied.append(event)
    return Folded(document, tuple(details), tuple(applied), duplicates)


def version_of(document: Document | None) -> int:
    """0 before the first event."""
    return 0 if document is None else int(document["version"])


def by_aggregate(events: Iterable[DomainEvent]) -> dict[str, list[DomainEvent]]:
    """The events of each aggregate, in the order in which they came."""
    grouped: dict[str, list[DomainEvent]] = {}
    for event in events:
        grouped.setdefault(event.aggregate_id, []).append(event)
    return grouped


def _apply(
    model: FoldedModel, document: Document | None, event: DomainEvent, check: Check | None
) -> tuple[Document, Sequence[Detail]] | Failure:
    if event.fault is not None:
        return Failure(event.version, "invalid_event", event.fault)
    projected = document or {}
    try:
        if event.data is not None:
            projected = model.project(document, event)
        details = model.details(document, event) if model.details is not None else ()
    except Exception as error:
        return Failure(event.version, "projection_failed", f"{event.type}: {_where(error)}")
    result = {**projected, "_id": event.aggregate_id, "version": event.version}
    if check is not None:
        for written in (result, *(detail.document for detail in details if isinstance(detail, Entry))):
            if (objection := check(written)) is not None:
                return Failure(event.version, *objection)
    return result, details


def _where(error: Exception) -> str:
    """Type and place, not the message: that may hold personal data."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {PurePath(frame.filename).name}:{frame.lineno}"


def _version(event: DomainEvent) -> int:
    return event.version
