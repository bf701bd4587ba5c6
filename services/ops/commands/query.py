"""`cqrs query`: a question, and its answer."""

from typing import Annotated, cast

from cyclopts import Parameter
from cyclopts.validators import Number
from pydantic import BaseModel

from services.ops.assignments import contract_from
from services.ops.connection import connected
from services.ops.errors import UsageError
from services.ops.exit_code import ExitCode
from services.ops.rendering.answer import answer_text
from services.ops.terminal import show, show_json
from shared.client_messages import Question
from shared.contracts.answer import Answered
from shared.contracts.consistency_token import InvalidTokenError
from shared.contracts.queries import QUERIES

ANSWERING = 5.0


async def query(
    query: str,
    /,
    *fields: str,
    token: str | None = None,
    max_wait: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    timeout: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    json: bool = False,
) -> ExitCode:
    """Ask a query.

    Parameters
    ----------
    query
        The query's type; `cqrs queries` lists all.
    fields
        Its fields, as field=value.
    token
        A consistency token from an outcome, such as user/alice@3 (several: with commas): the answer shows that version.
    max_wait
        Seconds that the answer may wait for the token's version; 1 when not given.
    timeout
        Seconds to wait for the answer; 5 more than --max-wait when not given.
    json
        One JSON document on stdout.
    """
    question = cast(Question[BaseModel], contract_from("query", QUERIES, query, fields))
    patience = timeout if timeout is not None else (max_wait or 0.0) + ANSWERING
    async with connected() as client:
        try:
            answer = await client.ask(question, timeout=patience, max_wait=max_wait, consistency_token=token)
        except InvalidTokenError as error:
            raise UsageError(f"--token: {error}") from error
    if json:
        show_json(answer.model_dump(mode="json"))
    else:
        show(answer_text(answer))
    return ExitCode.OK if isinstance(answer, Answered) else ExitCode.NO
