"""A read model, compared with the fold of the log: every document and every detail, by hash, in the order of ids.

Events keep coming meanwhile. What differs at first sight is looked at again: the documents first and then the log, so
that nothing can be in a document that is not in the log. A document that merely lacks events gets `patience` seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.query.domain_event import DomainEvent
from services.query.mongo.collections import details_of
from services.query.projector.event_log import EventLog
from services.query.projector.fold import by_aggregate
from services.query.projector.log_reader import LogReader
from services.query.projector.targets import Target
from services.query.read_model import Document, Entry, FoldedModel
from services.query.rebuild.counters import Counters, mend_counters
from services.query.rebuild.differences import Difference, Report, digest, shown
from services.query.rebuild.filling import FoldedAggregate, folded_aggregates
from services.query.rebuild.mending import mend
from services.query.rebuild.ranges import BEGIN, END, Bound, after_document, after_entries, between
from services.query.rebuild.verdict import Wrong, verdict

PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.2
MAX_SUSPECTS = 5000
"""Kept for a second look; with more of them it begins at once, which bounds memory."""
AT_ONCE = 100

Progress = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class _Suspect:
    """When it was first looked at again, and the version of the log then: what it must come to in time."""

    looked_at: float | None = None
    enough: int | None = None


async def _no_progress(_events: int) -> None:
    """Nobody looks on."""


class Verification:
    """Of one generation. With `repair` what differs is mended, document by document."""

    def __init__(
        self,
        model: FoldedModel,
        target: Target,
        reader: LogReader,
        event_log: EventLog,
        *,
        repair: bool = False,
        patience: float = PATIENCE_SECONDS,
        progress: Progress = _no_progress,
    ) -> None:
        self._model = model
        self._target = target
        self._reader = reader
        self._event_log = event_log
        self._repair = repair
        self._patience = patience
        self._progress = progress
        self._report = Report()
        self._suspects: dict[str, _Suspect] = {}
        """Aggregates that differed at first sight."""
        self._unsettled: set[str] = set()
        """Aggregates whose document is wrong and stays so."""

    async def run(self) -> Report:
        """To be called once. Raises EventLogUnavailableError and PyMongoError."""
        has_counters = self._model.details is not None and self._model.entries_by is None
        counters = Counters(self._model, (await self._reader.head()).settled) if has_counters else None
        low: tuple[Bound, Bound] = (BEGIN, BEGIN)
        async with aclosing(folded_aggregates(self._model, self._reader)) as slices:
            async for some in slices:
                high = after_document(some[-1].id), after_entries(self._model.entries_by or "", some[-1].id)
                await self._compare(some, low, high)
                low = high
                if counters is not None:
                    counters.add(some)
                if len(self._suspects) > MAX_SUSPECTS:
                    await self._look_again()
                self._report.events += sum(len(each.events) for each in some)
                await self._progress(self._report.events)
        await self._compare((), low, (END, END))
        await self._look_again()
        if counters is not None:
            await self._compare_counters(counters)
        return self._report

    async def _compare(
        self, aggregates: Sequence[FoldedAggregate], low: tuple[Bound, Bound], high: tuple[Bound, Bound]
    ) -> None:
        """All that lies between the bounds (of documents, and of entries) with the aggregates that should."""
        documents = await between(self._target.documents, low[0], high[0])
        self._report.documents += len(documents)
        found: dict[str, str] = {}
        for document in documents:
            if isinstance(document["_id"], str):
                found[document["_id"]] = digest(document)
            else:
                await self._add(_stranger("documents", document))
        expected = {each.id: digest(each.result.document) for each in aggregates if each.result.document is not None}
        suspects = {id_ for id_ in expected.keys() | found.keys() if expected.get(id_) != found.get(id_)}
        if self._model.entries_by is not None:
            suspects |= await self._compare_entries(self._model.entries_by, aggregates, low[1], high[1])
        for id_ in suspects:
            self._suspects.setdefault(id_, _Suspect())

    async def _compare_entries(
        self, field: str, aggregates: Sequence[FoldedAggregate], low: Bound, high: Bound
    ) -> set[str]:
        entries = await between(details_of(self._target.documents), low, high)
        self._report.details += len(entries)
        found: dict[str, set[str]] = {}
        for entry in entries:
            owner = _owner(entry, field)
            if owner is None:
                await self._add(_stranger("details", entry))
            else:
                found.setdefault(owner, set()).add(digest(entry))
        expected = {
            each.id: {digest(detail.document) for detail in each.result.details if isinstance(detail, Entry)}
            for each in aggregates
        }
        return {id_ for id_ in expected.keys() | found.keys() if expected.get(id_, set()) != found.get(id_, set())}

    async def _look_again(self) -> None:
        """Until each of those that differed is found to be right, or wrong for good."""
        while self._suspects:
            ids = list(self._suspects)
            for start in range(0, len(ids), AT_ONCE):
                await self._look_at(ids[start : start + AT_ONCE])
            if self._suspects:
                await asyncio.sleep(PAUSE_SECONDS)
        self._report.parked = await self._target.parking.count()

    async def _look_at(self, ids: Sequence[str]) -> None:
        documents, entries = await self._read(ids)
        events = await self._events(ids)
        parked = await self._target.parking.reasons(ids)
        for id_ in ids:
            await asyncio.sleep(0)  # a long history takes its time to be folded: others get their turn in between
            suspect = self._suspects[id_]
            overdue = suspect.looked_at is not None and time.monotonic() - suspect.looked_at >= self._patience
            judged = verdict(
                self._model,
                id_,
                events.get(id_, []),
                documents.get(id_),
                entries.get(id_, []),
                enough=suspect.enough,
                final=overdue and id_ not in parked,
            )
            if judged.waiting and id_ not in parked:
                if suspect.looked_at is None:
                    suspect.looked_at, suspect.enough = time.monotonic(), judged.newest
                continue
            if await self._settle(judged.wrong):
                del self._suspects[id_]
                if not self._repair and any(each.difference.place == "documents" for each in judged.wrong):
                    self._unsettled.add(id_)

    async def _settle(self, wrong: Sequence[Wrong]) -> bool:
        """Mends and reports; false where somebody else was in between, and another look is needed."""
        differences: list[Difference] = []
        for each in wrong:
            difference = await mend(self._target, each) if self._repair else each.difference
            if difference is None:
                return False
            differences.append(difference)
        for difference in differences:
            self._report.add(difference)
        return True

    async def _read(self, ids: Sequence[str]) -> tuple[dict[str, Document], dict[str, list[Document]]]:
        """Documents and entries as they were at one moment."""
        entries: dict[str, list[Document]] = {}
        async with self._target.documents.database.client.start_session(snapshot=True) as session:
            found = await self._target.documents.find({"_id": {"$in": list(ids)}}, session=session).to_list()
            if (field := self._model.entries_by) is not None:
                ranges = [{"_id": {"$gte": {field: id_}, "$lt": after_entries(field, id_)}} for id_ in ids]
                async for entry in details_of(self._target.documents).find({"$or": ranges}, session=session):
                    entries.setdefault(entry["_id"][field], []).append(entry)
        return {document["_id"]: document for document in found}, entries

    async def _events(self, ids: Sequence[str]) -> dict[str, list[DomainEvent]]:
        events: list[DomainEvent] = []
        async for page in self._event_log.read(self._model.aggregate_type, dict.fromkeys(ids, 0)):
            events += page
        return by_aggregate(events)

    async def _compare_counters(self, counters: Counters) -> None:
        details = details_of(self._target.documents)
        self._report.details = await details.estimated_document_count()
        wrong = await counters.compare(
            self._target,
            self._reader,
            self._event_log,
            counted_whole=self._unsettled,
            not_counted_whole=await self._target.parking.ids(),
        )
        for each in wrong:
            self._report.add(await mend_counters(details, each) if self._repair else each.difference)

    async def _add(self, wrong: Wrong) -> None:
        """A difference that needs no second look."""
        difference = wrong.difference
        if self._repair:
            difference = await mend(self._target, wrong) or difference
        self._report.add(difference)


def _stranger(place: str, document: Document) -> Wrong:
    """A document that no aggregate could have."""
    difference = Difference(
        place="documents" if place == "documents" else "details",
        id=shown(document["_id"]),
        kind="invented",
        found=digest(document),
    )
    return Wrong(difference, None, document)


def _owner(entry: Document, field: str) -> str | None:
    """The aggregate that an entry belongs to by its id."""
    id_ = entry["_id"]
    if not isinstance(id_, dict) or next(iter(id_), None) != field:
        return None
    owner = id_[field]
    return owner if isinstance(owner, str) else None
