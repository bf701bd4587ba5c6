"""Writes a recorded read model: a document per happening, of which the first stays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import InsertOne, ReplaceOne

from services.query.mongo.bulk import why_unencodable, write
from services.query.mongo.collections import CollectionSource
from services.query.projector.incoming import UnreadableMessageError, read_event_or_outcomes
from services.query.projector.projection import Tally
from services.query.read_model import Document, RecordedModel
from shared.messaging.envelope import Delivery

MOST_DOCUMENTS = 500
"""In one write: so large that more would save nothing, so small that it holds nobody up."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a message comes to: documents, what says nothing, and how far in the log that is."""

    documents: Sequence[Document]
    ignored: int
    position: int | None


class RecordedProjection:
    """Its messages don't depend on each other: one that can't be recorded is a dead letter, and nothing is parked.

    `recorded` is told the ids of what was written or stood there already, and `reached` the largest position among the
    events of a batch.
    """

    def __init__(
        self,
        model: RecordedModel,
        collection: CollectionSource,
        recorded: Callable[[Mapping[str, int]], None] = lambda versions: None,
        reached: Callable[[int], None] = lambda position: None,
    ) -> None:
        self.name = model.name
        self._model = model
        self._collection = collection
        self._recorded = recorded
        self._reached = reached

    def read(self, delivery: Delivery) -> Record:
        told = read_event_or_outcomes(delivery)
        documents = [document for each in told.happenings if (document := self._model.record(each)) is not None]
        if (objection := why_unencodable({"documents": documents})) is not None:
            raise UnreadableMessageError(*objection)
        return Record(documents, len(told.happenings) - len(documents), told.position)

    async def apply(self, messages: Sequence[Record]) -> Tally:
        tally = Tally(ignored=sum(message.ignored for message in messages))
        documents = [document for message in messages for document in message.documents]
        for start in range(0, len(documents), MOST_DOCUMENTS):
            tally += await self._write(documents[start : start + MOST_DOCUMENTS])
        if positions := [message.position for message in messages if message.position is not None]:
            self._reached(max(positions))
        return tally

    async def _write(self, documents: Sequence[Document]) -> Tally:
        tally = Tally(newest=_newest(documents))
        inserted = await write(self._collection(), [InsertOne(document) for document in documents])
        superseded = await self._supersede([documents[index] for index in sorted(inserted.duplicate_keys)])
        self._recorded({document["_id"]: 1 for document in documents})
        tally.duplicate = len(inserted.duplicate_keys) - superseded
        tally.applied = len(documents) - tally.duplicate
        return tally

    async def _supersede(self, documents: Sequence[Document]) -> int:
        """Replaces what stands there already, where the model says so; gives the number of replaced documents."""
        writes = [
            ReplaceOne({"_id": document["_id"], **condition}, document)
            for document in documents
            if (condition := self._model.supersedes(document)) is not None
        ]
        return (await write(self._collection(), writes)).modified if writes else 0


def _newest(documents: Sequence[Document]) -> datetime | None:
    return max((document["time"] for document in documents if document["time"] is not None), default=None)
