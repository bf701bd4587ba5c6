"""From a request as it came over the broker to the reply that goes back."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import structlog
from pymongo.errors import PyMongoError

from services.query.freshness.demand import ANY_STATE, Demand, InvalidDemandError, read_demand
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

INTERNAL = Failed(
    error=AnswerError(code=ErrorCode.INTERNAL, message="the question could not be answered now", retryable=True)
)


class Live(Protocol):
    """Who follows queries (`LiveQueries`)."""

    async def subscribe(
        self, request: Delivery, data: Mapping[str, Any], demand: Demand
    ) -> Answered | Failed | None: ...


class Answering:
    """The request handler of the responder. Every request gets an answer, one that says what was wrong if need be."""

    def __init__(self, bus: QueryBus, metrics: QueryMetrics, live: Live) -> None:
        self._bus = bus
        self._live = live
        self._metrics = metrics

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
            demand = _within_deadline(read_demand(request.headers), request)
            data = decode_json(request.body, max_bytes=MAX_BODY)
            if wants_updates(request.headers):
                return await self._live.subscribe(request, data, demand)
            return await self._bus.ask(request.type, data, demand)
        except (InvalidDemandError, InvalidLiveRequestError, UndecodableBodyError) as error:
            return _invalid(str(error))
        except BadCursorError as error:
            return Failed(error=AnswerError(code=ErrorCode.BAD_CURSOR, message=f"the resume token {error}"))
        except PyMongoError as error:
            logger.warning("query failed", type=request.type, error=type(error).__name__)
        except Exception:
            logger.exception("query failed", type=request.type, correlation_id=request.correlation_id)
        return INTERNAL


def _within_deadline(demand: Demand, request: Delivery) -> Demand:
    if demand == ANY_STATE or request.expiration is None or not request.expiration.isdigit():
        return demand
    left = int(request.expiration) / 1000 - (time.monotonic() - request.received_at) - ANSWER_MARGIN_SECONDS
    return replace(demand, max_wait=min(demand.max_wait, max(0.0, left)))


def _invalid(message: str) -> Failed:
    return Failed(error=AnswerError(code=ErrorCode.INVALID_MESSAGE, message=message))
