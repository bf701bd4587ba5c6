"""From a request as it came over the broker to the reply that goes back."""

import time
from dataclasses import replace

import structlog
from pymongo.errors import PyMongoError

from services.query.freshness.demand import ANY_STATE, Demand, InvalidDemandError, read_demand
from services.query.metrics import QueryMetrics
from services.query.query_bus import QueryBus
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


class Answering:
    """The request handler of the responder. Every request gets an answer, one that says what was wrong if need be."""

    def __init__(self, bus: QueryBus, metrics: QueryMetrics) -> None:
        self._bus = bus
        self._metrics = metrics

    async def __call__(self, request: Delivery) -> Reply:
        started = time.monotonic()
        answer = await self._answer(request)
        name = request.type if self._bus.knows(request.type) and request.type else "unknown"
        status = answer.error.code if isinstance(answer, Failed) else answer.status
        self._metrics.queries.labels(name, status).inc()
        self._metrics.query_seconds.labels(name).observe(time.monotonic() - started)
        return Reply(type=ANSWER_TYPE, body=answer.model_dump_json().encode())

    async def _answer(self, request: Delivery) -> Answered | Failed:
        try:
            if request.content_encoding:
                return _invalid("content_encoding: must not be set")
            demand = _within_deadline(read_demand(request.headers), request)
            return await self._bus.ask(request.type, decode_json(request.body, max_bytes=MAX_BODY), demand)
        except (InvalidDemandError, UndecodableBodyError) as error:
            return _invalid(str(error))
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
