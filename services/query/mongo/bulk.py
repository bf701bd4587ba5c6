"""Bulk writes, and what a partly failed one comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.errors import InvalidDocument, InvalidStringData
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from services.query.mongo.collections import Collection
from services.query.read_model import Document

DUPLICATE_KEY = 11000
LARGEST_DOCUMENT = 16 * 1024 * 1024
UNSTORABLE_CODES = frozenset({2, 9, 14, 52, 54, 57, 66, 121, 10334, 17280, 17419, 17420})
"""The server will never take this document (BadValue, TypeMismatch, DocumentValidationFailure, BSONObjectTooLarge …).
"""

Write = InsertOne[Document] | ReplaceOne[Document] | UpdateOne


@dataclass(slots=True)
class Written:
    """`modified` counts the documents that updates and replacements changed; the others name failed writes by index."""

    modified: int
    duplicate_keys: set[int] = field(default_factory=set)
    unstorable: dict[int, str] = field(default_factory=dict)


class UnencodableError(Exception):
    """At least one of the documents is none that MongoDB takes; find it with `why_unencodable`."""


async def write(collection: Collection, writes: Sequence[Write], session: AsyncClientSession | None = None) -> Written:
    """Writes all, in any order. Raises UnencodableError (some may be written); PyMongoError when the world fails.

    In a transaction (that of `session`) any failed write has undone the others.
    """
    try:
        result = await collection.bulk_write(writes, ordered=False, session=session)
    except (OverflowError, InvalidDocument, InvalidStringData, DocumentTooLarge) as error:
        raise UnencodableError from error
    except BulkWriteError as error:
        return _read_failures(error)
    except OperationFailure as error:
        if error.code in UNSTORABLE_CODES:
            raise UnencodableError from error
        raise
    return Written(result.modified_count)


def why_unencodable(document: Mapping[str, Any]) -> tuple[str, str] | None:
    """A stable reason and a detail; None for a document that MongoDB can store."""
    try:
        size = len(bson.encode(document))
    except OverflowError:
        return "integer_overflow", "an integer does not fit 64 bits"
    except (InvalidDocument, InvalidStringData, ValueError, TypeError, RecursionError) as error:
        return "unstorable", f"can't be stored: {type(error).__name__}"
    if size > LARGEST_DOCUMENT:
        return "document_too_large", f"a document of {size} bytes is over the limit of {LARGEST_DOCUMENT}"
    return None


def _read_failures(error: BulkWriteError) -> Written:
    """Raises the error itself where it is not the documents' fault."""
    if error.details.get("writeConcernErrors"):
        raise error
    written = Written(error.details.get("nModified", 0))
    for failure in error.details.get("writeErrors", ()):
        if failure["code"] == DUPLICATE_KEY:
            written.duplicate_keys.add(failure["index"])
        elif failure["code"] in UNSTORABLE_CODES:
            written.unstorable[failure["index"]] = f"refused by MongoDB with code {failure['code']}"
        else:
            raise error
    return written
