"""Writes a folded read model: a document per aggregate, guarded by its version."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from pymongo import InsertOne, ReplaceOne

from services.query.domain_event import DomainEvent
from services.query.mongo.bulk import UnencodableError, Write, Written, why_unencodable, write
from services.query.mongo.collections import CollectionSource
from services.query.projector.details import write_with_details
from services.query.projector.event_log import EventLog
from services.query.projector.fold import Check, Failure, Folded, by_aggregate, fold, version_of
from services.query.projector.gap_healing import close_gaps
from services.query.projector.incoming import UnreadableMessageError, read_event
from services.query.projector.parking import Parking
from services.query.projector.projection import ContendedError, Tally
from services.query.read_model import Detail, Document, FoldedModel
from shared.messaging.envelope import Delivery

logger = structlog.stdlib.get_logger(__name__)

MAX_ROUNDS = 5

Advanced = Callable[[Mapping[str, int]], None]
Events = Mapping[str, Sequence[DomainEvent]]


@dataclass(slots=True)
class _Round:
    """One attempt at some aggregates: what was loaded, and what the events made of it."""

    loaded: dict[str, Document]
    folded: dict[str, Folded]
    gap_healed: int = 0


class FoldedProjection:
    """Safe to run beside another one of the same model: who finds a document changed in between reads it and folds
    again.

    `advanced` is told which aggregates stand at which version, once that is safely written.
    """

    def __init__(
        self,
        model: FoldedModel,
        collection: CollectionSource,
        parking: Parking,
        event_log: EventLog,
        advanced: Advanced = lambda versions: None,
    ) -> None:
        self.name = model.name
        self._model = model
        self._collection = collection
        self._parking = parking
        self._event_log = event_log
        self._advanced = advanced

    def read(self, delivery: Delivery) -> DomainEvent:
        event = read_event(delivery)
        if event.envelope.aggregatetype != self._model.aggregate_type:
            raise UnreadableMessageError("unexpected_aggregate", f"{self.name} is of {self._model.aggregate_type} only")
        return event

    async def apply(self, messages: Sequence[DomainEvent]) -> Tally:
        return await self._settle(by_aggregate(messages), self._fold_delivered)

    async def heal(self, aggregate_id: str) -> Failure | None:
        """Applies what the log holds beyond the document and unparks the aggregate; or says why that can't be.

        Events that arrive meanwhile are let through first, so that none falls between the reading of the log and the
        end of the parking. Raises as `apply` does; the aggregate then stays listed as `healing`, and can be healed
        again.
        """
        await self._parking.start_healing(aggregate_id)
        await self._settle({aggregate_id: ()}, self._fold_log)
        await self._parking.unpark(aggregate_id)
        return await self._parking.failure(aggregate_id)

    async def _settle(
        self, pending: Events, attempt: Callable[[Events, bool, Check | None], Awaitable[_Round]]
    ) -> Tally:
        """Rounds of reading, folding and writing until nobody else's write is in between."""
        tally = Tally()
        check: Check | None = None
        for number in range(MAX_ROUNDS):
            this = await attempt(pending, number == 0, check)
            try:
                contended = await self._write(this)
            except UnencodableError:
                check = why_unencodable
                continue
            settled = {key: result for key, result in this.folded.items() if key not in contended}
            failures = {key: result.failure for key, result in settled.items() if result.failure is not None}
            await self._parking.park(failures)
            self._log_parked(failures)
            self._advanced({key: result.version for key, result in settled.items()})
            tally += _counted(settled.values(), this.gap_healed)
            if not contended:
                return tally
            pending = {key: pending[key] for key in contended}
        raise ContendedError(f"{self.name}: {len(pending)} documents could not be settled in {MAX_ROUNDS} rounds")

    async def _fold_delivered(self, pending: Events, first_round: bool, check: Check | None) -> _Round:
        # A first version most often belongs to a new document: try to insert it before reading anything.
        new = {key for key, events in pending.items() if first_round and any(event.version == 1 for event in events)}
        loaded = await self._load([key for key in pending if key not in new])
        folded = {key: fold(self._model, loaded.get(key), events, check) for key, events in pending.items()}
        # A first version may also have come again: what it seems to lack, or to fail at, the document may have.
        if doubtful := [key for key in new if folded[key].beyond_gap or folded[key].failure]:
            loaded |= await self._load(doubtful)
            folded |= {key: fold(self._model, loaded.get(key), pending[key], check) for key in doubtful}
        this = _Round(loaded, folded)
        gaps = {key: result for key, result in folded.items() if result.beyond_gap}
        if gaps:
            await self._heal_gaps(this, gaps, check)
        return this

    async def _fold_log(self, pending: Events, _first_round: bool, check: Check | None) -> _Round:
        loaded = await self._load(list(pending))
        this = _Round(loaded, {})
        await self._read_log(this, {key: Folded(loaded.get(key)) for key in pending}, check)
        return this

    async def _heal_gaps(self, this: _Round, gaps: Mapping[str, Folded], check: Check | None) -> None:
        """Reads on in the log, except for parked aggregates, whose events wait there until they are healed."""
        parked = await self._parking.reasons(gaps)
        for key in parked:
            this.folded[key] = replace(gaps[key], beyond_gap=(), held=len(gaps[key].beyond_gap))
        await self._read_log(this, {key: gap for key, gap in gaps.items() if key not in parked}, check)

    async def _read_log(self, this: _Round, gaps: Mapping[str, Folded], check: Check | None) -> None:
        for key, healed in (await close_gaps(self._model, self._event_log, gaps, check)).items():
            this.folded[key] = healed.result
            this.gap_healed += healed.added

    async def _load(self, keys: Sequence[str]) -> dict[str, Document]:
        if not keys:
            return {}
        found = self._collection().find({"_id": {"$in": keys}}, batch_size=len(keys) + 1)
        return {document["_id"]: document for document in await found.to_list()}

    async def _write(self, this: _Round) -> set[str]:
        """Gives the aggregates whose documents others wrote in between: duplicates, gaps or a race, which a new look
        tells.

        A document that the server refuses for good becomes its aggregate's failure. Raises UnencodableError.
        """
        changed = {
            key: result.document
            for key, result in this.folded.items()
            if result.document is not None and result.version > version_of(this.loaded.get(key))
        }
        if not changed:
            return set()
        keys = list(changed)
        written = await self._write_guarded(
            [_guarded(this.loaded.get(key), changed[key]) for key in keys],
            [detail for key in keys for detail in this.folded[key].details],
        )
        for index, why in written.unstorable.items():
            loaded = this.loaded.get(keys[index])
            failure = Failure(version_of(loaded) + 1, "unstorable", why)
            result = this.folded[keys[index]]
            this.folded[keys[index]] = Folded(loaded, held=len(result.applied) + result.held, failure=failure)
        replaced = {key for key in keys if key in this.loaded}
        refused = {keys[index] for index in written.unstorable}
        contended = {keys[index] for index in written.duplicate_keys}
        if written.matched != len(replaced - refused):
            contended |= replaced - refused
        return contended

    async def _write_guarded(self, writes: Sequence[Write], details: Sequence[Detail]) -> Written:
        if self._model.details is None:
            return await write(self._collection(), writes)
        return await write_with_details(self._collection(), writes, details)

    def _log_parked(self, failures: Mapping[str, Failure]) -> None:
        for key, failure in failures.items():
            logger.error(
                "parked",
                read_model=self.name,
                aggregate_id=key,
                version=failure.version,
                reason=failure.reason,
                detail=failure.detail,
            )


def _guarded(loaded: Document | None, document: Document) -> Write:
    if loaded is None:
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"], "version": loaded["version"]}, document)


def _counted(results: Iterable[Folded], gap_healed: int) -> Tally:
    tally = Tally(gap_healed=gap_healed)
    for result in results:
        tally.applied += len(result.applied)
        if result.applied:
            tally.newest = max(result.applied[-1].time, tally.newest or result.applied[-1].time)
        tally.duplicate += result.duplicates
        tally.parked += result.held
    return tally
