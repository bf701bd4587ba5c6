"""From a request as it came over the broker to the reply that goes back."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog
from pymongo.errors import ConnectionFailure, PyMongoError

from services.query.freshness.demand import ANY_STATE, Demand, InvalidDemandError, read_demand
from services.query.generation_guard import GenerationGuard
from services.query.live.request import InvalidLiveRequestError, wants_updates
from services.query.metrics import QueryMetrics
from services.query.query_bus import QueryBus
from services.query.sealed_cursor import BadCursorError
from shared.contracts.answer import ANSWER_TYPE, Answered, AnswerError, ErrorCode, Failed
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply

logger = structlog.stdlib.get_logger(__name__)

MAX_BODY = 64 * 1024
ANSWER_MARGIN_SECONDS = 0.05
"""A wait ends that much before the asker's deadline, so that he still hears why."""

GIVE_UP_MARGIN_SECONDS = 0.04
"""The same for an answer that says that there is none: later than the end of a wait, which says more."""
LONGEST_PATIENCE_SECONDS = 5.0
"""How long one question may go on asking a MongoDB that is away: meanwhile it keeps others from being taken."""
AGAIN_SECONDS = 0.1

NOT_NOW = Failed(
    error=AnswerError(code=ErrorCode.INTERNAL, message="the question could not be answered now", retryable=True)
)
NOT_AT_ALL = Failed(
    error=AnswerError(code=ErrorCode.INTERNAL, message="the question could not be answered", retryable=False)
)


class Live(Protocol):
    """Who follows queries (`LiveQueries`)."""

    async def subscribe(
        self, request: Delivery, data: Mapping[str, Any], demand: Demand
    ) -> Answered | Failed | None: ...


class Answering:
    """The request handler of the responder. Every request gets an answer, one that says what was wrong if need be."""

    def __init__(self, bus: QueryBus, metrics: QueryMetrics, live: Live, guard: GenerationGuard) -> None:
        self._bus = bus
        self._live = live
        self._metrics = metrics
        self._guard = guard

    async def __call__(self, request: Delivery) -> Reply | None:
        """None: a live query, all of whose answers are sent elsewhere."""
        started = time.monotonic()
        answer = await self._answer(request)
        name = request.type if self._bus.knows(request.type) and request.type else "unknown"
        status = answer.error.code if isinstance(answer, Failed) else "ok"
        self._metrics.queries.labels(name, status).inc()
        self._metrics.query_seconds.labels(name).observe(time.monotonic() - started)
        return None if answer is None else Reply(type=ANSWER_TYPE, body=answer.model_dump_json().encode())

    async def _answer(self, request: Delivery) -> Answered | Failed | None:
        try:
            if request.content_encoding:
                return _invalid("content_encoding: must not be set")
            demand, data = read_demand(request.headers), decode_json(request.body, max_bytes=MAX_BODY)
            return await self._ask_while_it_helps(request, data, demand)
        except (InvalidDemandError, InvalidLiveRequestError, UndecodableBodyError) as error:
            return _invalid(str(error))
        except BadCursorError as error:
            return Failed(error=AnswerError(code=ErrorCode.BAD_CURSOR, message=f"the resume token {error}"))
        except (PyMongoError, TimeoutError) as error:
            logger.warning("query failed", type=request.type, error=type(error).__name__)
            return NOT_NOW
        except Exception:
            logger.exception("query failed", type=request.type, correlation_id=request.correlation_id)
            return NOT_AT_ALL

    async def _ask_while_it_helps(
        self, request: Delivery, data: Mapping[str, Any], demand: Demand
    ) -> Answered | Failed | None:
        """Asks again while MongoDB can't be reached and the asker still waits: a new primary is there within seconds.

        Without a deadline it asks once. Raises PyMongoError, TimeoutError, or what a handler with a bug raises.
        """
        left = _seconds_left(request)
        patience = 0.0 if left is None else min(left - GIVE_UP_MARGIN_SECONDS, LONGEST_PATIENCE_SECONDS)
        ends = time.monotonic() + patience
        follow = wants_updates(request.headers)
        async with asyncio.timeout(None if left is None else max(0.0, left - GIVE_UP_MARGIN_SECONDS)):
            while True:
                within = _within_deadline(demand, request)
                try:
                    if follow:
                        return await self._live.subscribe(request, data, within)
                    return await self._ask(request.type, data, within)
                except ConnectionFailure:
                    if time.monotonic() + AGAIN_SECONDS >= ends:
                        raise
                await asyncio.sleep(AGAIN_SECONDS)

    async def _ask(self, query_type: str | None, data: Mapping[str, Any], demand: Demand) -> Answered | Failed:
        if self._bus.does(query_type):
            return await self._bus.ask(query_type, data, demand)
        began = time.monotonic()
        return await self._guard.read(lambda: self._bus.ask(query_type, data, _what_is_left_of(demand, began)))


def _what_is_left_of(demand: Demand, began: float) -> Demand:
    """For asking again: what has been waited for already counts."""
    if demand == ANY_STATE:
        return demand
    return replace(demand, max_wait=max(0.0, demand.max_wait - (time.monotonic() - began)))


def _within_deadline(demand: Demand, request: Delivery) -> Demand:
    left = _seconds_left(request)
    if left is None or demand == ANY_STATE:
        return demand
    return replace(demand, max_wait=min(demand.max_wait, max(0.0, left - ANSWER_MARGIN_SECONDS)))


def _seconds_left(request: Delivery) -> float | None:
    """Until the asker's deadline; None when he named none."""
    if request.expiration is None or not request.expiration.isdigit():
        return None
    return request.received_at + int(request.expiration) / 1000 - time.monotonic()


def _invalid(message: str) -> Failed:
    return Failed(error=AnswerError(code=ErrorCode.INVALID_MESSAGE, message=message))
