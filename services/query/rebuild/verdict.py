"""Whether what a read model holds of one aggregate is what the log says: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson

from services.query.domain_event import DomainEvent
from services.query.projector.fold import Folded, fold
from services.query.read_model import Document, Entry, FoldedModel
from services.query.rebuild.differences import Difference, digest, shown


@dataclass(frozen=True, slots=True)
class Wrong:
    """A difference, and what would mend it: what should be there (None: nothing), and what is (None: nothing)."""

    difference: Difference
    expected: Document | None
    found: Document | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`waiting`: the document lacks events that may still be on their way, and is right otherwise; `newest` is the
    version that it should have by the log.
    """

    wrong: tuple[Wrong, ...] = ()
    waiting: bool = False
    newest: int = 0


def verdict(
    model: FoldedModel,
    aggregate_id: str,
    events: Sequence[DomainEvent],
    document: Document | None,
    entries: Sequence[Document],
    *,
    enough: int | None,
    final: bool,
) -> Verdict:
    """`events` are all that the log has, read after document and entries were.

    A document that is behind is right when it has come to version `enough`: that of the log when it was first looked
    at. `final`: nothing is waited for any more.
    """
    whole = fold(model, None, events)
    wrong, then = _judge(model, aggregate_id, events, document, whole)
    if wrong is None:
        return Verdict(_judge_entries(model, whole, entries))
    if then is not None and enough is not None and then.version >= enough:
        return Verdict(_judge_entries(model, then, entries))
    if wrong.difference.kind in ("missing", "behind") and not final:
        return Verdict(waiting=True, newest=whole.version)
    return Verdict((wrong, *_judge_entries(model, whole, entries)))


def _judge(
    model: FoldedModel, id_: str, events: Sequence[DomainEvent], document: Document | None, whole: Folded
) -> tuple[Wrong | None, Folded | None]:
    """What is wrong with the document; of one that is behind also the fold up to where it is."""
    expected = whole.document
    if expected is None:
        return (None if document is None else _wrong(id_, "invented", None, document)), None
    if document is None:
        return _wrong(id_, "missing", expected, None), None
    if digest(document) == digest(expected):
        return None, None
    version = document.get("version")
    if type(version) is int and 0 < version < whole.version:
        then = fold(model, None, [event for event in events if event.version <= version])
        if then.document is not None and digest(document) == digest(then.document):
            return _wrong(id_, "behind", expected, document), then
    return _wrong(id_, "different", expected, document), None


def _wrong(id_: str, kind: Any, expected: Document | None, found: Document | None) -> Wrong:
    difference = Difference(
        place="documents",
        id=id_,
        kind=kind,
        expected=None if expected is None else digest(expected),
        found=None if found is None else digest(found),
        expected_version=_version(expected),
        found_version=_version(found),
    )
    return Wrong(difference, expected, found)


def _version(document: Document | None) -> int | None:
    version = None if document is None else document.get("version")
    return version if type(version) is int else None


def _judge_entries(model: FoldedModel, reference: Folded, entries: Sequence[Document]) -> tuple[Wrong, ...]:
    if model.entries_by is None:
        return ()
    expected = by_id([detail.document for detail in reference.details if isinstance(detail, Entry)])
    found = by_id(entries)
    return tuple(
        wrong_detail(expected.get(key), found.get(key))
        for key in sorted(expected.keys() | found.keys())
        if (digest(expected[key]) if key in expected else None) != (digest(found[key]) if key in found else None)
    )


def wrong_detail(expected: Document | None, found: Document | None) -> Wrong:
    """Of two that are not the same; one of them may be None."""
    there = expected or found or {}
    difference = Difference(
        place="details",
        id=shown(there["_id"]),
        kind="missing" if found is None else "invented" if expected is None else "different",
        expected=None if expected is None else digest(expected),
        found=None if found is None else digest(found),
    )
    return Wrong(difference, expected, found)


def by_id(documents: Sequence[Document]) -> Mapping[bytes, Document]:
    """By their `_id`, which may be a document itself."""
    return {bson.encode({"_id": document["_id"]}): document for document in documents}
