"""Folded documents and what goes beside them: both or neither, which takes a transaction where counters are added to.

Why counters stay right: a document's version says which of its aggregate's events are counted, and it moves in the
transaction that counts them. An event delivered again finds its version there and adds nothing; of two projectors who
fold the same event one commits, and the other's guard (or MongoDB's check for conflicting writes) undoes all it did; a
process that dies leaves a transaction that is undone, or one that is committed and found to be so by the next delivery.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.query.mongo.bulk import Write, Written, write
from services.query.mongo.collections import Collection, details_of
from services.query.read_model import Detail, Entry, Increment

CONFLICTS = frozenset({112, 251})
"""WriteConflict; NoSuchTransaction, which is what the rest of a bulk hears after a write of it has failed."""
SOON = WriteConcern(w=1)
"""For what is followed by a write that waits for the majority: who has that one has all before it."""
LOCAL = ReadConcern("local")  # a collection can be made in a transaction with no other one


@dataclass(frozen=True, slots=True)
class Part:
    """What goes into one generation: its documents, and the details beside them."""

    documents: Collection
    writes: Sequence[Write]
    details: Sequence[Detail]


async def write_together(parts: Sequence[Part]) -> list[Written]:
    """Writes all parts, or nothing of any; gives what came of the documents of each. Where others were in between
    nothing is written, and every document counts as contended (a duplicate key).

    Raises UnencodableError; PyMongoError when the world fails.
    """
    try:
        async with parts[0].documents.database.client.start_session() as session:
            async with await session.start_transaction(read_concern=LOCAL):
                results = []
                for part in parts:
                    written = await _write_part(part, session)
                    if written.duplicate_keys or written.unstorable or written.modified != _replaced(part.writes):
                        await session.abort_transaction()
                        return [_none_of(each.writes, written.unstorable if each is part else {}) for each in parts]
                    results.append(written)
            return results
    except OperationFailure as error:
        if not _is_conflict(error):
            raise
        return [_none_of(part.writes, {}) for part in parts]


async def write_entries_first(part: Part) -> Written:
    """The same for entries, which need no transaction. What an event's entry says depends on the event alone: who
    writes it again writes the same, and one that is there before its document's version counts for nothing (readers go
    by that version) until the event is delivered again.

    Raises UnencodableError; PyMongoError when the world fails.
    """
    entries = [detail.document for detail in part.details if isinstance(detail, Entry)]
    if entries:
        collection = details_of(part.documents).with_options(write_concern=SOON)
        added = await write(collection, [InsertOne(entry) for entry in entries])
        if again := [entries[index] for index in sorted(added.duplicate_keys)]:
            await write(collection, [ReplaceOne({"_id": entry["_id"]}, entry) for entry in again])
        if added.unstorable:
            return _none_of(part.writes, {})
    return await write(part.documents, part.writes)


async def _write_part(part: Part, session: AsyncClientSession) -> Written:
    written = await write(part.documents, part.writes, session) if part.writes else Written(0)
    if part.details and not written.duplicate_keys and not written.unstorable:
        added = await write(details_of(part.documents), merged(part.details), session)
        written.duplicate_keys |= added.duplicate_keys
        if added.unstorable:
            written.duplicate_keys.add(0)
    return written


def _replaced(writes: Sequence[Write]) -> int:
    return sum(not isinstance(each, InsertOne) for each in writes)


def merged(details: Iterable[Detail]) -> list[Write]:
    """A write for each entry, and one for all increments of the same document."""
    entries: list[Write] = []
    amounts: dict[Any, dict[str, int]] = {}
    latest: dict[Any, Any] = {}
    for detail in details:
        match detail:
            case Entry(document):
                entries.append(ReplaceOne({"_id": document["_id"]}, document, upsert=True))
            case Increment(key, added, time):
                sums = amounts.setdefault(key, {})
                for name, amount in added.items():
                    sums[name] = sums.get(name, 0) + amount
                latest[key] = max(time, latest.get(key, time))
    return entries + [
        UpdateOne({"_id": key}, {"$inc": sums, "$max": {"updated_at": latest[key]}}, upsert=True)
        for key, sums in amounts.items()
    ]


def _none_of(writes: Sequence[Write], unstorable: dict[int, str]) -> Written:
    return Written(0, set(range(len(writes))) - unstorable.keys(), unstorable)


def _is_conflict(error: OperationFailure) -> bool:
    """Whether the server undid the transaction for another one's sake."""
    failures = (error.details or {}).get("writeErrors", ()) if isinstance(error, BulkWriteError) else ()
    codes = {failure.get("code") for failure in failures} or {error.code}
    return error.has_error_label("TransientTransactionError") or bool(codes & CONFLICTS)
