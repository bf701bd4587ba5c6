"""Which handler does what an operator asks for, and the reply to it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import structlog
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.projection import ContendedError
from shared.contracts.answer import ANSWER_TYPE, Answered, AnswerError, ErrorCode, Failed
from shared.contracts.control import ProjectionControl
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply

ControlT = TypeVar("ControlT", bound=ProjectionControl)
ControlHandler: TypeAlias = Callable[[ControlT], Awaitable[Answered | Failed]]

logger = structlog.stdlib.get_logger(__name__)


class ControlBus:
    """The request handler of the queue `projection-control`. Every request gets an answer."""

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[type[ProjectionControl], ControlHandler[Any]]] = {}

    def register(self, contract: type[ControlT], handler: ControlHandler[ControlT]) -> None:
        """Raises ValueError when the type is taken."""
        if contract.type in self._handlers:
            raise ValueError(f"there is a handler for {contract.type} already")
        self._handlers[contract.type] = (contract, handler)

    async def __call__(self, request: Delivery) -> Reply:
        answer = await self._answer(request)
        logger.info("control", type=request.type, status=answer.status, correlation_id=request.correlation_id)
        return Reply(type=ANSWER_TYPE, body=answer.model_dump_json().encode())

    async def _answer(self, request: Delivery) -> Answered | Failed:
        if request.type is None or request.type not in self._handlers:
            return failed(ErrorCode.UNKNOWN_TYPE, f"no such control; there are {', '.join(sorted(self._handlers))}")
        contract, handler = self._handlers[request.type]
        try:
            return await handler(contract.model_validate(decode_json(request.body)))
        except UndecodableBodyError as error:
            return failed(ErrorCode.INVALID_MESSAGE, error.reason)
        except ValidationError as error:
            return failed(ErrorCode.INVALID_MESSAGE, f"{error.error_count()} faults in the body")
        except PyMongoError as error:
            logger.warning("control failed", type=request.type, error=type(error).__name__)
            return failed(ErrorCode.INTERNAL, f"MongoDB: {type(error).__name__}", retryable=True)
        except (EventLogUnavailableError, ContendedError) as error:
            logger.warning("control failed", type=request.type, error=type(error).__name__)
            return failed(ErrorCode.INTERNAL, str(error), retryable=True)
        except Exception as error:
            logger.exception("control failed", type=request.type, correlation_id=request.correlation_id)
            return failed(ErrorCode.INTERNAL, f"failed: {type(error).__name__}; its log says more")


def failed(code: ErrorCode, message: str, *, retryable: bool = False) -> Failed:
    return Failed(error=AnswerError(code=code, message=message, retryable=retryable))
