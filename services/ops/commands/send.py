"""`cqrs send`: a command, and its outcome."""

from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from cyclopts.validators import Number

from services.ops.assignments import contract_from
from services.ops.connection import connected
from services.ops.exit_code import ExitCode
from services.ops.rendering.outcome import outcome_text
from services.ops.terminal import show, show_json
from shared.contracts.commands import COMMANDS
from shared.contracts.outcome import Accepted


async def send(
    command: str,
    /,
    *fields: str,
    wait: Annotated[bool, Parameter(negative="--no-wait")] = True,
    timeout: Annotated[float, Parameter(validator=Number(gt=0))] = 10.0,
    id: UUID | None = None,  # noqa: A002 - the option is --id
    expected_version: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    json: bool = False,
) -> ExitCode:
    """Send a command, and wait for its outcome.

    Parameters
    ----------
    command
        The command's type; `cqrs commands` lists all.
    fields
        Its fields, as field=value.
    wait
        Wait for the outcome. With --no-wait the broker's word that it is safe is enough.
    timeout
        Seconds to wait; after that the command may still be applied (ask GetCommandStatus).
    id
        The command's id (a UUID). The same id again is applied once and gets the same outcome.
    expected_version
        Refuse the command when the user is at another version.
    json
        One JSON document on stdout.
    """
    message = contract_from("command", COMMANDS, command, fields)
    async with connected() as client:
        if not wait:
            sent = await client.send(message, command_id=id, expected_version=expected_version, timeout=timeout)
            show_json({"command_id": str(sent)}) if json else show(f"sent  command {sent}")
            return ExitCode.OK
        outcome = await client.send_and_wait(message, command_id=id, expected_version=expected_version, timeout=timeout)
    if json:
        show_json(outcome.model_dump(mode="json", exclude_none=True))
    else:
        show(outcome_text(outcome))
    return ExitCode.OK if isinstance(outcome, Accepted) else ExitCode.NO
