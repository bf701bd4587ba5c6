"""Counters, counted again from the log, while events keep on being counted.

What the counters must show is the sum of what each aggregate's events add, up to the version at which its document
stands. Most aggregates stand still: they were summed up to a position of the log when the verification passed by. Those
with later events are summed again, up to the versions in one snapshot of documents and counters.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Collection, details_of
from services.query.projector.event_log import EventLog
from services.query.projector.fold import by_aggregate, fold
from services.query.projector.log_reader import LogReader
from services.query.projector.targets import Target
from services.query.read_model import Detail, Document, FoldedModel, Increment
from services.query.rebuild.differences import Difference
from services.query.rebuild.filling import FoldedAggregate
from services.query.rebuild.verdict import Wrong, wrong_detail

AT_ONCE = 500


class Counters:
    """Of the aggregates that it was told of, up to position `until`."""

    def __init__(self, model: FoldedModel, until: int) -> None:
        self._model = model
        self._until = until
        self._sums: dict[Any, Counter[str]] = {}
        self._latest: dict[Any, datetime] = {}

    def add(self, aggregates: Iterable[FoldedAggregate]) -> None:
        for each in aggregates:
            if each.events[-1].position <= self._until:
                self._count(each.result.details, 1)
            else:
                self._count(self._details(self._until_then(each.events)), 1)

    async def compare(
        self,
        target: Target,
        reader: LogReader,
        event_log: EventLog,
        *,
        counted_whole: Set[str],
        not_counted_whole: Set[str],
    ) -> list[Wrong]:
        """`counted_whole` are aggregates whose documents are wrong and don't say how far they are counted,
        `not_counted_whole` others whose documents are known to lack events (parked ones).

        To be asked once. Raises EventLogUnavailableError and PyMongoError.
        """
        async with target.documents.database.client.start_session(snapshot=True) as session:
            found = await details_of(target.documents).find({}, session=session).to_list()
            moved = sorted(await self._moved(reader) | not_counted_whole)
            for start in range(0, len(moved), AT_ONCE):
                ids = moved[start : start + AT_ONCE]
                standing = target.documents.find({"_id": {"$in": ids}}, {"version": 1}, session=session)
                versions = {document["_id"]: document["version"] for document in await standing.to_list()}
                async for id_, events in _histories(event_log, self._model.aggregate_type, ids):
                    self._count(self._details(self._until_then(events)), -1)
                    if id_ not in counted_whole:
                        events = [event for event in events if event.version <= versions.get(id_, 0)]
                    self._count(self._details(events), 1)
        return self._differences(found)

    async def _moved(self, reader: LogReader) -> set[str]:
        ids: set[str] = set()
        async with aclosing(reader.after(self._until)) as pages:
            async for page in pages:
                ids.update(
                    event.aggregate_id for event in page.events if event.aggregate_type == self._model.aggregate_type
                )
        return ids

    def _until_then(self, events: Sequence[DomainEvent]) -> list[DomainEvent]:
        return [event for event in events if event.position <= self._until]

    def _details(self, events: Sequence[DomainEvent]) -> Sequence[Detail]:
        return fold(self._model, None, events).details

    def _count(self, details: Iterable[Detail], sign: int) -> None:
        for detail in details:
            if isinstance(detail, Increment):
                sums = self._sums.setdefault(detail.key, Counter())
                for name, amount in detail.amounts.items():
                    sums[name] += sign * amount
                self._latest[detail.key] = max(detail.time, self._latest.get(detail.key, detail.time))

    def _differences(self, found: Sequence[Document]) -> list[Wrong]:
        there = {_hashable(document["_id"]): document for document in found}
        wrong = []
        for key in sorted(self._sums.keys() | there.keys(), key=str):
            document = there.get(key)
            expected = {name: amount for name, amount in self._sums.get(key, Counter()).items() if amount}
            if expected != _amounts(document):
                shown = {"_id": key, **expected, "updated_at": self._latest[key]} if expected else None
                wrong.append(wrong_detail(shown, document))
        return wrong


async def mend_counters(documents: Collection, wrong: Wrong) -> Difference:
    """Adds what is missing, or takes away what is too much: right also while others count on. Raises PyMongoError."""
    expected, found = wrong.expected, wrong.found
    id_ = (expected or found or {})["_id"]
    if found is not None and (expected is None or not _is_countable(found)):
        # What nobody counts: it goes; and with it a document that can't be counted on, which begins anew.
        await documents.delete_one({"_id": id_})
        found = None
    if expected is not None:
        wanted, is_ = _amounts(expected), _amounts(found)
        missing = {name: wanted.get(name, 0) - is_.get(name, 0) for name in sorted(wanted.keys() | is_.keys())}
        change = {"$inc": missing, "$max": {"updated_at": expected["updated_at"]}}
        await documents.update_one({"_id": id_}, change, upsert=True)
    return replace(wrong.difference, repaired=True)


async def _histories(
    event_log: EventLog, aggregate_type: str, ids: Sequence[str]
) -> AsyncIterator[tuple[str, list[DomainEvent]]]:
    events: list[DomainEvent] = []
    async for page in event_log.read(aggregate_type, dict.fromkeys(ids, 0)):
        events += page
    for id_, mine in by_aggregate(events).items():
        yield id_, mine


def _amounts(document: Document | None) -> Mapping[str, Any]:
    """What counts in it; a counter at 0 is as good as none."""
    content = {} if document is None else document
    return {
        name: value
        for name, value in content.items()
        if name not in ("_id", "updated_at") and (type(value) is not int or value)
    }


def _is_countable(document: Document) -> bool:
    return all(type(value) is int for value in _amounts(document).values())


def _hashable(id_: Any) -> Any:
    return id_ if getattr(id_, "__hash__", None) else str(id_)
