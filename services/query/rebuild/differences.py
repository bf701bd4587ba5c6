"""What a verification finds: documents that are not what the log says."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import bson

from services.query.read_model import Document

Kind = Literal["missing", "different", "behind", "invented"]
MAX_NAMED: Final = 1000
"""Differences that a report names; it counts all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`place` is `documents` or `details`. `behind` is a document that is right, but lacks its aggregate's last events.

    `expected` and `found` are digests, never content; versions where the document has one. `repaired` only where that
    was asked for.
    """

    place: Literal["documents", "details"]
    id: str
    kind: Kind
    expected: str | None = None
    found: str | None = None
    expected_version: int | None = None
    found_version: int | None = None
    repaired: bool = False


@dataclass(slots=True)
class Report:
    """What was looked at, counted, and the first `MAX_NAMED` differences."""

    events: int = 0
    documents: int = 0
    details: int = 0
    parked: int = 0
    differences: int = 0
    repaired: int = 0
    named: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        self.differences += 1
        self.repaired += difference.repaired
        if len(self.named) < MAX_NAMED:
            self.named.append(difference)

    def as_document(self) -> Document:
        counts = ("events", "documents", "details", "parked", "differences", "repaired")
        named = [{name: getattr(each, name) for name in Difference.__slots__} for each in self.named]
        return {**{name: getattr(self, name) for name in counts}, "named": named}


def digest(document: Mapping[str, Any]) -> str:
    """Of a document's content, whatever the order of its fields. Tells 1 from 1.0 and from true."""
    canonical = bson.encode({key: document[key] for key in sorted(document)})
    return hashlib.blake2b(canonical, digest_size=8).hexdigest()


def shown(id_: object) -> str:
    """An `_id` for a report."""
    if isinstance(id_, dict):
        return ",".join(f"{key}={value}" for key, value in id_.items())
    return str(id_)
