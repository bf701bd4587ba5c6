"""Answers `ReadEvents`: how a projector mends its gaps from the event log."""

import asyncio

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres import events
from services.command.postgres.failures import in_few_words, is_transient
from shared.contracts.answer import ANSWER_TYPE, Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries.read_events import ReadEvents
from shared.contracts.views import EventPage
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply

MAX_ANSWER_BYTES = 1_000_000

logger = structlog.stdlib.get_logger(__name__)


class EventLog:
    """A RequestHandler. At most `at_once` pages are read at a time, which bounds memory and connections."""

    def __init__(self, engine: AsyncEngine, *, at_once: int = 2) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turn = asyncio.Semaphore(at_once)

    async def __call__(self, request: Delivery) -> Reply:
        answer = await self._answer(request)
        return Reply(type=ANSWER_TYPE, body=answer.model_dump_json().encode())

    async def _answer(self, request: Delivery) -> Answered | Failed:
        if request.undecodable is not None:
            return _failed(ErrorCode.INVALID_MESSAGE, "properties can't be read")
        if request.type != ReadEvents.type:
            return _failed(ErrorCode.UNKNOWN_TYPE, "the event log answers ReadEvents only")
        try:
            query = ReadEvents.model_validate(decode_json(request.body))
        except UndecodableBodyError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, error.reason)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, f"{error.error_count()} faults in the body")
        try:
            return Answered(data=await self._page(query), as_of=AsOf())
        except Exception as error:
            if not is_transient(error):
                raise
            logger.warning("event log can't be read", error=in_few_words(error))
            return _failed(ErrorCode.INTERNAL, "the event log can't be read right now", retryable=True)

    async def _page(self, query: ReadEvents) -> EventPage:
        async with self._turn, self._engine.connect() as connection:
            page, more = await events.read(connection, query.aggregates, limit=query.limit, max_bytes=MAX_ANSWER_BYTES)
        return EventPage(events=page, more=more)


def _failed(code: ErrorCode, message: str, *, retryable: bool = False) -> Failed:
    return Failed(error=AnswerError(code=code, message=message, retryable=retryable))
