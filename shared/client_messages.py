"""A command and a query as they go on the wire, and what comes back."""

import builtins
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from shared.client_errors import NotTheContractError
from shared.contracts.answer import ANSWER_TYPE, Answered, Failed
from shared.contracts.base import Command
from shared.contracts.consistency_token import ConsistencyToken
from shared.contracts.live import UPDATE_TYPE
from shared.contracts.outcome import OUTCOME, OUTCOME_TYPE, Accepted, Rejected
from shared.messaging.envelope import NO_HEADERS, Delivery, Envelope, HeaderValue
from shared.messaging.topology import COMMANDS, QUERIES, QUERY_KEY

ReplyT = TypeVar("ReplyT")
ViewT = TypeVar("ViewT", bound=BaseModel)
ViewT_co = TypeVar("ViewT_co", bound=BaseModel, covariant=True)
UpdateT = TypeVar("UpdateT", bound=BaseModel)
UpdateT_co = TypeVar("UpdateT_co", bound=BaseModel, covariant=True)


class Question(Protocol[ViewT_co]):
    """A query contract: to the type checker `GetUserById` is a question whose answer's data is a `UserView`."""

    @property
    def type(self) -> str: ...

    @property
    def view(self) -> "builtins.type[ViewT_co]": ...

    def model_dump_json(self, *, exclude_none: bool) -> str: ...


class LiveQuestion(Question[ViewT_co], Protocol[ViewT_co, UpdateT_co]):
    """A query that may be asked with `subscribe`; its updates have an `UpdateT` for data."""

    @property
    def update_view(self) -> "builtins.type[UpdateT_co]": ...


def command_envelope(
    command: Command, command_id: UUID, *, expected_version: int | None = None, expiration: float | None = None
) -> Envelope:
    """`expiration` is in seconds: how long the command may wait in its queue before it is rejected as `expired`."""
    headers: dict[str, HeaderValue] = {"schema-version": command.schema_version}
    if expected_version is not None:
        headers["expected-version"] = expected_version
    return Envelope(
        exchange=COMMANDS,
        routing_key=command.aggregate_id,
        type=command.type,
        message_id=str(command_id),
        body=command.model_dump_json(exclude_none=True).encode(),
        headers=headers,
        expiration_ms=None if expiration is None else max(1, round(expiration * 1000)),
    )


def query_envelope(
    query: Question[BaseModel],
    *,
    tokens: Sequence[ConsistencyToken] = (),
    max_wait: float | None = None,
    max_staleness: float | None = None,
    headers: Mapping[str, HeaderValue] = NO_HEADERS,
) -> Envelope:
    """In seconds: `max_wait`, how long the answer may wait for the read model to reach the `tokens` and to be at most
    `max_staleness` behind.
    """
    headers = dict(headers)
    if tokens:
        headers["consistency-token"] = ",".join(map(str, tokens))
    if max_wait is not None:
        headers["max-wait-ms"] = round(max_wait * 1000)
    if max_staleness is not None:
        headers["max-staleness-ms"] = round(max_staleness * 1000)
    return Envelope(
        exchange=QUERIES,
        routing_key=QUERY_KEY,
        type=query.type,
        body=query.model_dump_json(exclude_none=True).encode(),
        headers=headers,
        persistent=False,
    )


def read_outcome(reply: Delivery) -> Accepted | Rejected:
    """Raises NotTheContractError."""
    return _read(OUTCOME, OUTCOME_TYPE, reply)


def read_answer(reply: Delivery, view: type[ViewT]) -> Answered[ViewT] | Failed:
    """Raises NotTheContractError."""
    return _read(_answer_with(view), ANSWER_TYPE, reply)


def read_update(update: Delivery, view: type[ViewT]) -> Answered[ViewT] | Failed:
    """Of a live query. Raises NotTheContractError."""
    return _read(_answer_with(view), UPDATE_TYPE, update)


@lru_cache
def _answer_with(view: type[ViewT]) -> TypeAdapter[Answered[ViewT] | Failed]:
    """Reads an answer and its data in one go."""
    shape: Any = Annotated[Answered[view] | Failed, Field(discriminator="status")]  # type: ignore[valid-type]
    return TypeAdapter(shape)


def _read(adapter: TypeAdapter[ReplyT], message_type: str, reply: Delivery) -> ReplyT:
    if reply.type != message_type:
        raise NotTheContractError(f"a reply of type {reply.type!r} where {message_type!r} was due")
    try:
        return adapter.validate_json(reply.body)
    except ValidationError as error:
        raise NotTheContractError(f"a {message_type} that can't be read: {error.error_count()} faults") from error
