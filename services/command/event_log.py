"""Answers what the read side asks of the event log: how a projector mends its gaps, and how a read model is built anew,
checked, and brought up to date.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres import events, log_pages
from services.command.postgres.failures import in_few_words, is_transient
from services.command.settled_position import SettledPosition
from shared.contracts.answer import ANSWER_TYPE, Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.base import Query
from shared.contracts.queries.read_events import ReadEvents
from shared.contracts.queries.read_log import Behind, LogHead, ReadHistories, ReadLog, ReadLogHead
from shared.contracts.views import EventPage
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply

MAX_ANSWER_BYTES = 1_000_000
MAX_PAGE_BYTES = 4_000_000
"""Of a page of many events; they are JSON already, and pass through as they are."""

_Answering: TypeAlias = Callable[[Any], Awaitable[bytes]]

logger = structlog.stdlib.get_logger(__name__)


class EventLog:
    """A RequestHandler. At most `at_once` pages are read at a time, which bounds memory and connections."""

    def __init__(self, engine: AsyncEngine, *, at_once: int = 2) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turn = asyncio.Semaphore(at_once)
        self._settled = SettledPosition(engine)
        self._answers: dict[type[Query], _Answering] = {
            ReadEvents: self._events,
            ReadLog: self._log,
            ReadHistories: self._histories,
            ReadLogHead: self._head,
        }
        self._contracts = {contract.type: contract for contract in self._answers}

    async def __call__(self, request: Delivery) -> Reply:
        answer = await self._answer(request)
        return Reply(type=ANSWER_TYPE, body=answer if isinstance(answer, bytes) else answer.model_dump_json().encode())

    async def _answer(self, request: Delivery) -> bytes | Failed:
        if request.undecodable is not None:
            return _failed(ErrorCode.INVALID_MESSAGE, "properties can't be read")
        contract = self._contracts.get(request.type or "")
        if contract is None:
            return _failed(ErrorCode.UNKNOWN_TYPE, f"the event log answers {', '.join(self._contracts)} only")
        try:
            query = contract.model_validate(decode_json(request.body))
        except UndecodableBodyError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, error.reason)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, f"{error.error_count()} faults in the body")
        try:
            return await self._answers[contract](query)
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("event log can't be read", error=in_few_words(error))
            return _failed(ErrorCode.INTERNAL, "the event log can't be read right now", retryable=True)

    async def _events(self, query: ReadEvents) -> bytes:
        async with self._turn, self._engine.connect() as connection:
            page, more = await events.read(connection, query.aggregates, limit=query.limit, max_bytes=MAX_ANSWER_BYTES)
        return Answered(data=EventPage(events=page, more=more), as_of=AsOf()).model_dump_json().encode()

    async def _log(self, query: ReadLog) -> bytes:
        async with self._turn:
            # Far behind the head nothing needs to be waited for: most pages of a long way are such.
            page = await self._after(query, self._settled.known)
            settled = self._settled.known
            if page is None or not page.more:
                settled = await self._settled.newest()
                page = await self._after(query, settled)
        if page is None:
            return _page("", position=query.after, more=False)
        position = page.last if page.more and page.last is not None else settled
        return _page(page.events, position=position, more=page.more)

    async def _after(self, query: ReadLog, settled: int) -> log_pages.Page | None:
        """None where the page would begin beyond what is settled."""
        if query.after >= settled:
            return None
        async with self._engine.connect() as connection:
            return await log_pages.after_position(
                connection, query.after, settled, limit=query.limit, max_bytes=MAX_PAGE_BYTES
            )

    async def _histories(self, query: ReadHistories) -> bytes:
        async with self._turn, self._engine.connect() as connection:
            page = await log_pages.after_aggregate(
                connection,
                query.aggregate_type,
                query.after_id,
                query.after_version,
                limit=query.limit,
                max_bytes=MAX_PAGE_BYTES,
            )
        return _page(page.events, more=page.more)

    async def _head(self, query: ReadLogHead) -> bytes:
        async with self._turn:
            settled = await self._settled.newest()
        async with self._turn, self._engine.connect() as connection:
            position, time = await log_pages.head(connection)
            behind = await log_pages.behind(connection, query.after) if query.after else []
        head = LogHead(
            position=position,
            settled=settled,
            time=time,
            behind=[Behind(events=events, seconds=age) for events, age in behind],
        )
        return Answered(data=head, as_of=AsOf()).model_dump_json().encode()


def _page(events_json: str, *, more: bool, position: int | None = None) -> bytes:
    """An `Answered` with a `LogPage`, or with an `EventPage` where there is no position."""
    place = "" if position is None else f'"position":{position},'
    flag = "true" if more else "false"
    return f'{{"status":"ok","data":{{{place}"more":{flag},"events":[{events_json}]}},"as_of":{{}}}}'.encode()


def _failed(code: ErrorCode, message: str, *, retryable: bool = False) -> Failed:
    return Failed(error=AnswerError(code=code, message=message, retryable=retryable))
