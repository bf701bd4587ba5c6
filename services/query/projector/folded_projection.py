"""Writes a folded read model: a document per aggregate, guarded by its version."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from pymongo import InsertOne, ReplaceOne, UpdateOne

from services.query.domain_event import DomainEvent
from services.query.mongo.bulk import UnencodableError, Write, Written, why_unencodable, write
from services.query.projector.details import Part, write_entries_first, write_together
from services.query.projector.event_log import EventLog
from services.query.projector.fold import Check, Failure, Folded, by_aggregate, fold, version_of
from services.query.projector.gap_healing import close_gaps
from services.query.projector.incoming import UnreadableMessageError, read_event
from services.query.projector.projection import ContendedError, Tally
from services.query.projector.targets import Target, Targets
from services.query.read_model import Document, FoldedModel
from shared.messaging.envelope import Delivery

logger = structlog.stdlib.get_logger(__name__)

MAX_ROUNDS = 5

Advanced = Callable[[Mapping[str, int]], None]
Events = Mapping[str, Sequence[DomainEvent]]


@dataclass(slots=True)
class _Round:
    """One attempt at some aggregates in one generation: what was loaded, and what the events made of it."""

    target: Target
    loaded: dict[str, Document]
    folded: dict[str, Folded]
    gap_healed: int = 0

    @property
    def changed(self) -> dict[str, Document]:
        return {
            key: result.document
            for key, result in self.folded.items()
            if result.document is not None and result.version > version_of(self.loaded.get(key))
        }


class FoldedProjection:
    """Safe to run beside another one of the same model: who finds a document changed in between reads it and folds
    again.

    `advanced` is told which aggregates stand at which version, once that is safely written, and `reached` the largest
    position among the events of a batch.
    """

    def __init__(
        self,
        model: FoldedModel,
        targets: Targets,
        event_log: EventLog,
        advanced: Advanced = lambda versions: None,
        reached: Callable[[int], None] = lambda position: None,
    ) -> None:
        self.name = model.name
        self._model = model
        self._targets = targets
        self._event_log = event_log
        self._advanced = advanced
        self._reached = reached

    def read(self, delivery: Delivery) -> DomainEvent:
        event = read_event(delivery)
        if event.aggregate_type != self._model.aggregate_type:
            raise UnreadableMessageError("unexpected_aggregate", f"{self.name} is of {self._model.aggregate_type} only")
        return event

    async def apply(self, messages: Sequence[DomainEvent]) -> Tally:
        # In the order of ids: what is next to each other in MongoDB's trees is written one after the other.
        tally = await self._settle(dict(sorted(by_aggregate(messages).items())), self._fold_delivered)
        if messages:
            self._reached(max(message.position for message in messages))
        return tally

    async def heal(self, aggregate_id: str) -> Failure | None:
        """Applies what the log holds beyond the document and unparks the aggregate; or says why that can't be.

        Events that arrive meanwhile are let through first, so that none falls between the reading of the log and the
        end of the parking. Raises as `apply` does; the aggregate then stays listed as `healing`, and can be healed
        again.
        """
        targets = self._targets.now()
        for target in targets:
            await target.parking.start_healing(aggregate_id)
        await self._settle({aggregate_id: ()}, self._fold_log)
        for target in targets:
            await target.parking.unpark(aggregate_id)
        return await targets[0].parking.failure(aggregate_id)

    async def _settle(
        self, pending: Events, attempt: Callable[[Target, Events, bool, Check | None], Awaitable[_Round]]
    ) -> Tally:
        """Rounds of reading, folding and writing until nobody else's write is in between."""
        tally = Tally()
        check: Check | None = None
        for number in range(MAX_ROUNDS):
            targets = self._targets.now()
            # A first version most often belongs to a new document: try to insert it before reading anything.
            hopeful = number == 0 and len(targets) == 1
            rounds = [await attempt(target, pending, hopeful, check) for target in targets]
            try:
                contended = await self._write(rounds)
            except UnencodableError:
                check = why_unencodable
                continue
            for this in rounds:
                await self._park(this, contended)
            if not await self._targets.still(targets):
                continue
            answering = rounds[0]
            settled = {key: result for key, result in answering.folded.items() if key not in contended}
            self._advanced({key: result.version for key, result in settled.items()})
            tally += _counted(settled.values(), answering.gap_healed)
            if not contended:
                return tally
            pending = {key: pending[key] for key in contended}
        raise ContendedError(f"{self.name}: {len(pending)} documents could not be settled in {MAX_ROUNDS} rounds")

    async def _fold_delivered(self, target: Target, pending: Events, hopeful: bool, check: Check | None) -> _Round:
        new = (
            {key for key, events in pending.items() if any(event.version == 1 for event in events)}
            if hopeful
            else set()
        )
        loaded = await _load(target, [key for key in pending if key not in new])
        folded = {key: fold(self._model, loaded.get(key), events, check) for key, events in pending.items()}
        # A first version may also have come again: what it seems to lack, or to fail at, the document may have.
        if doubtful := [key for key in new if folded[key].beyond_gap or folded[key].failure]:
            loaded |= await _load(target, doubtful)
            folded |= {key: fold(self._model, loaded.get(key), pending[key], check) for key in doubtful}
        this = _Round(target, loaded, folded)
        gaps = {key: result for key, result in folded.items() if result.beyond_gap}
        if gaps:
            await self._heal_gaps(this, gaps, check)
        return this

    async def _fold_log(self, target: Target, pending: Events, _hopeful: bool, check: Check | None) -> _Round:
        loaded = await _load(target, list(pending))
        this = _Round(target, loaded, {})
        await self._read_log(this, {key: Folded(loaded.get(key)) for key in pending}, check)
        return this

    async def _heal_gaps(self, this: _Round, gaps: Mapping[str, Folded], check: Check | None) -> None:
        """Reads on in the log, except for parked aggregates, whose events wait there until they are healed."""
        parked = await this.target.parking.reasons(gaps)
        for key in parked:
            this.folded[key] = replace(gaps[key], beyond_gap=(), held=len(gaps[key].beyond_gap))
        await self._read_log(this, {key: gap for key, gap in gaps.items() if key not in parked}, check)

    async def _read_log(self, this: _Round, gaps: Mapping[str, Folded], check: Check | None) -> None:
        for key, healed in (await close_gaps(self._model, self._event_log, gaps, check)).items():
            this.folded[key] = healed.result
            this.gap_healed += healed.added

    async def _write(self, rounds: Sequence[_Round]) -> set[str]:
        """Gives the aggregates whose documents others wrote in between: duplicates, gaps or a race, which a new look
        tells.

        A document that the server refuses for good becomes its aggregate's failure. Raises UnencodableError.
        """
        all_changed = [this.changed for this in rounds]
        parts = [
            Part(
                this.target.documents,
                [self._guarded(this.loaded.get(key), document) for key, document in changed.items()],
                [detail for key in changed for detail in this.folded[key].details],
            )
            for this, changed in zip(rounds, all_changed, strict=True)
        ]
        if not any(part.writes for part in parts):
            return set()
        if len(parts) > 1:
            results = await write_together(parts)
        elif self._model.details is None:
            results = [await write(parts[0].documents, parts[0].writes)]
        elif self._model.entries_by is not None:
            results = [await write_entries_first(parts[0])]
        else:
            results = await write_together(parts)
        contended: set[str] = set()
        for this, changed, written in zip(rounds, all_changed, results, strict=True):
            contended |= _contended(this, list(changed), written)
        return contended

    def _guarded(self, loaded: Document | None, document: Document) -> Write:
        if loaded is None:
            return InsertOne(document)
        if self._model.followed:
            return ReplaceOne({"_id": document["_id"], "version": loaded["version"]}, document)
        # Found by nothing but its id, a document costs MongoDB a third less.
        unchanged = {"$cond": [{"$eq": ["$version", loaded["version"]]}, {"$literal": document}, "$$ROOT"]}
        return UpdateOne({"_id": document["_id"]}, [{"$replaceWith": unchanged}])

    async def _park(self, this: _Round, contended: set[str]) -> None:
        failures = {
            key: result.failure
            for key, result in this.folded.items()
            if result.failure is not None and key not in contended
        }
        await this.target.parking.park(failures)
        self._log_parked(failures)

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


async def _load(target: Target, keys: Sequence[str]) -> dict[str, Document]:
    if not keys:
        return {}
    found = target.documents.find({"_id": {"$in": keys}}, batch_size=len(keys) + 1)
    return {document["_id"]: document for document in await found.to_list()}


def _contended(this: _Round, keys: Sequence[str], written: Written) -> set[str]:
    """Those to look at again; what the server refuses is noted in the round as a failure."""
    for index, why in written.unstorable.items():
        loaded = this.loaded.get(keys[index])
        failure = Failure(version_of(loaded) + 1, "unstorable", why)
        result = this.folded[keys[index]]
        this.folded[keys[index]] = Folded(loaded, held=len(result.applied) + result.held, failure=failure)
    replaced = {key for key in keys if key in this.loaded}
    refused = {keys[index] for index in written.unstorable}
    contended = {keys[index] for index in written.duplicate_keys}
    if written.modified != len(replaced - refused):
        contended |= replaced - refused
    return contended


def _counted(results: Iterable[Folded], gap_healed: int) -> Tally:
    tally = Tally(gap_healed=gap_healed)
    for result in results:
        tally.applied += len(result.applied)
        if result.applied:
            tally.newest = max(result.applied[-1].time, tally.newest or result.applied[-1].time)
        tally.duplicate += result.duplicates
        tally.parked += result.held
    return tally
