"""`cqrs watch`: a question, its answer, and every change of that."""

from typing import Annotated, Any, cast

from cyclopts import Parameter
from cyclopts.validators import Number
from pydantic import BaseModel

from services.ops.assignments import contract_from
from services.ops.connection import connected
from services.ops.errors import UsageError
from services.ops.exit_code import ExitCode
from services.ops.rendering.update import update_text
from services.ops.terminal import note, show, show_json
from shared.client_messages import LiveQuestion
from shared.contracts.answer import Answered, ErrorCode
from shared.contracts.consistency_token import InvalidTokenError
from shared.contracts.queries import QUERIES

LIVE = {name: contract for name, contract in QUERIES.items() if contract.update_view is not None}


async def watch(
    query: str,
    /,
    *fields: str,
    token: str | None = None,
    count: Annotated[int | None, Parameter(validator=Number(gt=0))] = None,
    json: bool = False,
) -> ExitCode:
    """Show a query's answer, and every change of it, until Ctrl-C.

    Parameters
    ----------
    query
        The query's type: GetUserById, GetAllUsers or GetSignupStats.
    fields
        Its fields, as field=value.
    token
        A consistency token from an outcome, such as user/alice@3: the first answer shows that version.
    count
        End after so many answers, the first included.
    json
        One JSON document per answer, a line each, on stdout.
    """
    if query in QUERIES and query not in LIVE:
        raise UsageError(f"{query} can't be watched; these can: {', '.join(LIVE)}")
    question = cast(LiveQuestion[BaseModel, BaseModel], contract_from("query", LIVE, query, fields))
    left = count
    async with connected() as client:
        try:
            answers = client.subscribe(question, consistency_token=token)
        except InvalidTokenError as error:
            raise UsageError(f"--token: {error}") from error
        async with answers:
            note("watching; Ctrl-C ends")
            async for answer in answers:
                show_json(answer.model_dump(mode="json")) if json else show(update_text(answer))
                left = None if left is None else left - 1
                if left == 0:
                    return ExitCode.OK
                last: Any = answer
    refused = not isinstance(last, Answered) and last.error.code != ErrorCode.USER_NOT_FOUND
    return ExitCode.NO if refused else ExitCode.OK
