"""A new generation, filled from the log: each aggregate is read whole, folded in memory and inserted once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import groupby

from pymongo.asynchronous.client_session import AsyncClientSession

from services.query.cancelled import cancelled
from services.query.domain_event import DomainEvent
from services.query.mongo.bulk import UnencodableError, why_unencodable, write
from services.query.mongo.collections import details_of
from services.query.projector.details import merged
from services.query.projector.fold import Folded, fold
from services.query.projector.log_reader import LogReader
from services.query.projector.targets import Target
from services.query.read_model import Document, FoldedModel

SLICE = 200
"""Aggregates that are folded before others get a turn of the event loop."""
WRITTEN_AT_ONCE = 1000

Note = Callable[[AsyncClientSession, str, int], Awaitable[None]]


class Filling:
    """Nobody else may write to the generation meanwhile.

    `note(session, last_id, done)` is called in the transaction that inserts the aggregates up to `last_id`, which makes
    `done` events: a filling that was broken off goes on after the last one that was noted.
    """

    def __init__(self, model: FoldedModel, target: Target, reader: LogReader, note: Note) -> None:
        self._model = model
        self._target = target
        self._reader = reader
        self._note = note
        self._done = 0

    async def run(self, after_id: str, done: int) -> None:
        """Raises EventLogUnavailableError, PyMongoError, and what `note` raises."""
        self._done = done
        writing: asyncio.Task[None] = asyncio.create_task(_nothing())
        gathered: list[FoldedAggregate] = []
        try:
            async with aclosing(folded_aggregates(self._model, self._reader, after_id)) as slices:
                async for some in slices:
                    gathered += some
                    if len(gathered) >= WRITTEN_AT_ONCE:
                        await writing  # while the next ones are read and folded, these are written
                        writing = asyncio.create_task(self._write(gathered), name=f"fill {self._model.name}")
                        gathered = []
            await writing
            if gathered:
                await self._write(gathered)
        finally:
            await cancelled(writing)

    async def _write(self, page: "Sequence[FoldedAggregate]") -> None:
        try:
            await self._insert(page)
        except UnencodableError:
            await self._insert([each.checked(self._model) for each in page])

    async def _insert(self, page: "Sequence[FoldedAggregate]") -> None:
        documents = [each.result.document for each in page if each.result.document is not None]
        details = merged(detail for each in page for detail in each.result.details)
        await self._target.parking.park(
            {each.id: each.result.failure for each in page if each.result.failure is not None}
        )

        done = self._done + sum(len(each.events) for each in page)

        async def insert(session: AsyncClientSession) -> None:
            await self._note(session, page[-1].id, done)
            if documents:
                await self._insert_documents(documents, session)
            if details:
                await write(details_of(self._target.documents), details, session)

        async with self._target.documents.database.client.start_session() as session:
            await session.with_transaction(insert)
        self._done = done

    async def _insert_documents(self, documents: list[Document], session: AsyncClientSession) -> None:
        try:
            await self._target.documents.insert_many(documents, ordered=False, session=session)
        except (OverflowError, ValueError, TypeError) as error:
            raise UnencodableError from error


class FoldedAggregate:
    """An aggregate, all of its events, and what they come to."""

    __slots__ = ("events", "id", "result")

    def __init__(self, id_: str, events: list[DomainEvent], result: Folded) -> None:
        self.id = id_
        self.events = events
        self.result = result

    def checked(self, model: FoldedModel) -> "FoldedAggregate":
        """The same, but stopped before what MongoDB can't store."""
        return FoldedAggregate(self.id, self.events, fold(model, None, self.events, why_unencodable))


async def folded_aggregates(
    model: FoldedModel, reader: LogReader, after_id: str = ""
) -> "AsyncGenerator[list[FoldedAggregate], None]":
    """All aggregates with an id beyond that one, in the order of their ids, some at a time."""
    open_: list[DomainEvent] = []
    async with aclosing(reader.histories(model.aggregate_type, after_id)) as pages:
        async for page in pages:
            complete, open_ = _complete(open_, page.events, page.more)
            for groups in _slices(complete):
                yield [FoldedAggregate(id_, events, fold(model, None, events)) for id_, events in groups]
                await asyncio.sleep(0)


def _complete(
    begun: list[DomainEvent], events: Sequence[DomainEvent], more: bool
) -> tuple[list[tuple[str, list[DomainEvent]]], list[DomainEvent]]:
    """The aggregates of which all events are there, and what there is of the last one."""
    groups = [(id_, list(group)) for id_, group in groupby([*begun, *events], key=_aggregate_id)]
    if more and groups:
        return groups[:-1], groups[-1][1]
    return groups, []


def _slices(groups: list[tuple[str, list[DomainEvent]]]) -> Iterator[list[tuple[str, list[DomainEvent]]]]:
    for start in range(0, len(groups), SLICE):
        yield groups[start : start + SLICE]


async def _nothing() -> None:
    """To begin with."""


def _aggregate_id(event: DomainEvent) -> str:
    return event.aggregate_id
