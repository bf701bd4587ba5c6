"""`cqrs commands` and `cqrs queries`: what may be sent and asked."""

from services.ops.exit_code import ExitCode
from services.ops.rendering.contracts import contracts_json, contracts_table
from services.ops.terminal import show, show_json
from shared.contracts.commands import COMMANDS
from shared.contracts.queries import QUERIES


def commands(*, json: bool = False) -> ExitCode:
    """List the commands, with their fields.

    Parameters
    ----------
    json
        Their JSON Schemas as one document on stdout.
    """
    show_json(contracts_json(COMMANDS)) if json else show(contracts_table(COMMANDS), fold=True)
    return ExitCode.OK


def queries(*, json: bool = False) -> ExitCode:
    """List the queries, with their fields.

    Parameters
    ----------
    json
        Their JSON Schemas as one document on stdout.
    """
    show_json(contracts_json(QUERIES)) if json else show(contracts_table(QUERIES), fold=True)
    return ExitCode.OK
