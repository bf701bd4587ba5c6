"""Reads the command service's event log as a whole, asked over the broker."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.query.domain_event import DomainEvent, domain_event
from services.query.projector.event_log import EventLogUnavailableError, Rpc
from shared.contracts.answer import ANSWER, Answered, Failed
from shared.contracts.base import Query
from shared.contracts.queries.read_log import LARGEST_VERSION, LogHead, LogPage, ReadHistories, ReadLog, ReadLogHead
from shared.contracts.views import EventPage
from shared.messaging.envelope import Envelope
from shared.messaging.rpc_client import RpcError
from shared.messaging.topology import EVENT_LOG, EVENT_LOG_KEY

PAGE_SIZE = 1000
"""Large enough that asking costs next to nothing, and small enough that reading one holds nobody up."""

ViewT = TypeVar("ViewT", bound=BaseModel)

_LOG_PAGE = TypeAdapter(Answered[LogPage])
_EVENT_PAGE = TypeAdapter(Answered[EventPage])
_LOG_HEAD = TypeAdapter(Answered[LogHead])


@dataclass(frozen=True, slots=True)
class Events:
    """Some of the log, in the order of positions. Nothing will ever appear up to `position` that was not given."""

    events: Sequence[DomainEvent]
    position: int


@dataclass(frozen=True, slots=True)
class Histories:
    """All events of some aggregates, in the order of their ids; the last aggregate goes on in the next page unless
    `more` is false.
    """

    events: Sequence[DomainEvent]
    more: bool


class LogReader(Protocol):
    """Each method raises EventLogUnavailableError. Iterators are to be closed (`aclosing`): they read ahead."""

    def after(self, position: int) -> AsyncGenerator[Events, None]:
        """All that comes after a position, up to what is settled at the end of the reading; a page at least."""
        ...

    def histories(self, aggregate_type: str, after_id: str = "") -> AsyncGenerator[Histories, None]:
        """All aggregates with an id beyond that one; a page at least."""
        ...

    async def head(self, positions: Sequence[int] = ()) -> LogHead:
        """Where the log ends, and how far behind that these positions are."""
        ...


class RpcLogReader:
    """`timeout` is in seconds, for each page. While one page is worked on, the next one is on its way."""

    def __init__(self, rpc: Rpc, *, timeout: float = 10.0, page_size: int = PAGE_SIZE) -> None:
        self._rpc = rpc
        self._timeout = timeout
        self._page_size = page_size

    async def after(self, position: int) -> AsyncGenerator[Events, None]:
        async def read(after: int) -> LogPage:
            return await self._ask(ReadLog(after=after, limit=self._page_size), _LOG_PAGE)

        async with aclosing(_read_ahead(read, position, lambda page: page.position if page.more else None)) as pages:
            async for page in pages:
                yield Events([domain_event(envelope) for envelope in page.events], page.position)

    async def histories(self, aggregate_type: str, after_id: str = "") -> AsyncGenerator[Histories, None]:
        async def read(after: tuple[str, int]) -> EventPage:
            id_, version = after
            query = ReadHistories(
                aggregate_type=aggregate_type, after_id=id_, after_version=version, limit=self._page_size
            )
            return await self._ask(query, _EVENT_PAGE)

        def end(page: EventPage) -> tuple[str, int] | None:
            return (page.events[-1].aggregateid, page.events[-1].aggregateversion) if page.more else None

        async with aclosing(_read_ahead(read, (after_id, LARGEST_VERSION), end)) as pages:
            async for page in pages:
                yield Histories([domain_event(envelope) for envelope in page.events], page.more)

    async def head(self, positions: Sequence[int] = ()) -> LogHead:
        return await self._ask(ReadLogHead(after=list(positions)), _LOG_HEAD)

    async def _ask(self, query: Query, answer: TypeAdapter[Answered[ViewT]]) -> ViewT:
        request = Envelope(
            exchange=EVENT_LOG,
            routing_key=EVENT_LOG_KEY,
            type=query.type,
            message_id=str(uuid4()),
            body=query.model_dump_json().encode(),
            persistent=False,
        )
        try:
            reply = await self._rpc.call(request, timeout=self._timeout)
        except RpcError as error:
            raise EventLogUnavailableError(f"the event log gives no answer: {type(error).__name__}") from error
        try:
            return answer.validate_json(reply.body).data
        except ValidationError as error:
            raise EventLogUnavailableError(_why(reply.body)) from error


CursorT = TypeVar("CursorT")
PageT = TypeVar("PageT")


async def _read_ahead(
    read: Callable[[CursorT], Awaitable[PageT]], start: CursorT, end: Callable[[PageT], CursorT | None]
) -> AsyncGenerator[PageT, None]:
    """Pages until `end` says that there is no next one, which is asked for while the one before is worked on."""
    reading = asyncio.ensure_future(read(start))
    try:
        while True:
            page = await reading
            cursor = end(page)
            if cursor is None:
                yield page
                return
            reading = asyncio.ensure_future(read(cursor))
            yield page
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, EventLogUnavailableError):
            await reading


def _why(body: bytes) -> str:
    with suppress(ValidationError):
        answer = ANSWER.validate_json(body)
        if isinstance(answer, Failed):
            return f"the event log answered {answer.error.code}"
    return "the event log's answer can't be read"
