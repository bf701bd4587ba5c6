"""Which handler answers which query."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from services.query.freshness.demand import Demand
from services.query.freshness.recency import Recency
from shared.contracts.answer import Answered, AnswerError, ErrorCode, Failed
from shared.contracts.base import Query

QueryT = TypeVar("QueryT", bound=Query)
QueryT_contra = TypeVar("QueryT_contra", bound=Query, contravariant=True)


class QueryHandler(Protocol[QueryT_contra]):
    def __call__(self, query: QueryT_contra, demand: Demand, /) -> Awaitable[Answered | Failed]: ...


@dataclass(frozen=True, slots=True)
class _Registered:
    contract: type[Query]
    handler: QueryHandler[Any]
    recency: Recency | None
    about: Callable[[Any], str] | None
    does: bool


class QueryBus:
    """Finds a query's contract and handler by its type on the wire, and says how fresh the answer is."""

    def __init__(self) -> None:
        self._handlers: dict[str, _Registered] = {}

    def register(
        self,
        contract: type[QueryT],
        handler: QueryHandler[QueryT],
        recency: Recency | None = None,
        *,
        about: Callable[[QueryT], str] | None = None,
        does: bool = False,
    ) -> None:
        """`recency` is that of the read model that answers; `about` gives the one aggregate that the answer is about,
        where there is one. `does`: it does something and reads no read model. Raises ValueError when the type is taken.
        """
        if contract.type in self._handlers:
            raise ValueError(f"there is a handler for {contract.type} already")
        self._handlers[contract.type] = _Registered(contract, handler, recency, about, does)

    def knows(self, query_type: str | None) -> bool:
        return query_type in self._handlers

    def does(self, query_type: str | None) -> bool:
        """Whether asking it twice is more than asking it once."""
        return query_type in self._handlers and self._handlers[query_type].does

    async def ask(self, query_type: str | None, data: Mapping[str, Any], demand: Demand) -> Answered | Failed:
        """The handler's answer, or why the question is none. Raises what the handler raises."""
        if query_type is None or query_type not in self._handlers:
            return _failed(ErrorCode.UNKNOWN_TYPE, f"no such query; there are {', '.join(sorted(self._handlers))}")
        registered = self._handlers[query_type]
        try:
            query = registered.contract.model_validate(data)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, fault_of(error))
        if registered.recency is None:
            return await registered.handler(query, demand)
        return await _timed_answer(registered, registered.recency, query, demand)


async def _timed_answer(registered: _Registered, recency: Recency, query: Query, demand: Demand) -> Answered | Failed:
    """What is known of the read model's progress before the reading holds for what is read."""
    aggregate_id = registered.about(query) if registered.about is not None else None
    if demand.max_staleness is not None:
        began = time.monotonic()
        if stale := await recency.wait(demand, aggregate_id):
            return stale
        demand = replace(demand, max_wait=max(0.0, demand.max_wait - (time.monotonic() - began)))
    complete_until = await recency.complete_until(aggregate_id)
    answer = await registered.handler(query, demand)
    if isinstance(answer, Failed):
        return answer
    as_of = answer.as_of.model_copy(update={"complete_until": complete_until})
    return answer.model_copy(update={"as_of": as_of})


def fault_of(error: ValidationError) -> str:
    """Names the field and what is wrong with it, not the value that was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else first["msg"]


def _failed(code: ErrorCode, message: str) -> Failed:
    return Failed(error=AnswerError(code=code, message=message))
