"""Which handler answers which query."""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from services.query.freshness.demand import Demand
from shared.contracts.answer import Answered, AnswerError, ErrorCode, Failed
from shared.contracts.base import Query

QueryT_contra = TypeVar("QueryT_contra", bound=Query, contravariant=True)


class QueryHandler(Protocol[QueryT_contra]):
    def __call__(self, query: QueryT_contra, demand: Demand, /) -> Awaitable[Answered | Failed]: ...


class QueryBus:
    """Finds a query's contract and handler by its type on the wire."""

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[type[Query], QueryHandler[Any]]] = {}

    def register(self, contract: type[QueryT_contra], handler: QueryHandler[QueryT_contra]) -> None:
        """Raises ValueError when the type is taken."""
        if contract.type in self._handlers:
            raise ValueError(f"there is a handler for {contract.type} already")
        self._handlers[contract.type] = (contract, handler)

    def knows(self, query_type: str | None) -> bool:
        return query_type in self._handlers

    async def ask(self, query_type: str | None, data: Mapping[str, Any], demand: Demand) -> Answered | Failed:
        """The handler's answer, or why the question is none. Raises what the handler raises."""
        if query_type is None or query_type not in self._handlers:
            return _failed(ErrorCode.UNKNOWN_TYPE, f"no such query; there are {', '.join(sorted(self._handlers))}")
        contract, handler = self._handlers[query_type]
        try:
            query = contract.model_validate(data)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, _fault(error))
        return await handler(query, demand)


def _fault(error: ValidationError) -> str:
    """Names the field and what is wrong with it, not the value that was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else first["msg"]


def _failed(code: ErrorCode, message: str) -> Failed:
    return Failed(error=AnswerError(code=code, message=message))
