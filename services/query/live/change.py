"""A change of a document, as MongoDB's change stream tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import Timestamp

from services.query.read_model import Document


@dataclass(frozen=True, slots=True)
class Change:
    """`document` is how it stands since then; None where that is not told (an update of some fields) or nothing is left
    (`deleted`). `moment` is MongoDB's time of it.
    """

    collection: str
    key: Any
    document: Document | None
    moment: Timestamp
    deleted: bool = False


def read_change(raw: Mapping[str, Any]) -> Change | None:
    """None for what is not a change of a document (a collection dropped, the stream's end)."""
    if "documentKey" not in raw:
        return None
    return Change(
        collection=raw["ns"]["coll"],
        key=raw["documentKey"]["_id"],
        document=raw.get("fullDocument"),
        moment=raw["clusterTime"],
        deleted=raw["operationType"] == "delete",
    )
