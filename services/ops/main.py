"""`cqrs`: the command line for those who run the system. Each command is a file of `commands/`."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from services.ops.errors import OpsError
from services.ops.exit_code import EXIT_CODES, ExitCode
from services.ops.terminal import note
from shared.client_errors import ClientError, NotTheContractError
from shared.runtime.logging import configure_logging

# By name: a command's modules are loaded when it is called, so that `cqrs --help` and the like stay quick.
COMMANDS = {
    "send": (
        "services.ops.commands.send:send",
        "Send a command: `cqrs send CreateUser user_id=alice name=Alice email=alice@example.com`",
    ),
    "query": ("services.ops.commands.query:query", "Ask a query: `cqrs query GetUserById user_id=alice`"),
    "watch": (
        "services.ops.commands.watch:watch",
        "Show a query's answer and every change of it: `cqrs watch GetUserById user_id=alice`",
    ),
    "events": ("services.ops.commands.events:app", "Domain events as they happen."),
    "status": ("services.ops.commands.status:status", "Is everything up, and does anything wait or fail?"),
    "dlq": ("services.ops.commands.dlq:app", "Dead letters: list, show, redrive and drop them."),
    "parked": (
        "services.ops.commands.parked:app",
        "Aggregates that a read model can't go on with: list and heal them.",
    ),
    "projection": (
        "services.ops.commands.projection:app",
        "Read models: list, rebuild, verify, pause them, and go back.",
    ),
    "commands": ("services.ops.commands.contracts:commands", "List the commands that can be sent."),
    "queries": ("services.ops.commands.contracts:queries", "List the queries that can be asked."),
}


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one call and gives its exit code; see `ExitCode`."""
    configure_logging("critical")
    try:
        result = command_line()(list(arguments), exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return ExitCode.USAGE  # it has said why
    except OpsError as error:
        note(f"error: {error}", style="red")
        return error.exit_code
    except NotTheContractError as error:
        note(f"error: {error}", style="red")
        return ExitCode.USAGE
    except ClientError as error:
        note(f"error: {error}", style="red")
        return ExitCode.UNREACHABLE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (`cqrs events tail | head`); Python must not flush into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    return int(result) if isinstance(result, int) else ExitCode.OK


def command_line() -> App:
    app = App(
        name="cqrs",
        help="Send commands, ask queries, watch events and look after the system.",
        help_epilogue=f"{EXIT_CODES}\n\nThe system is the one that the CQRS_* variables of `make env` name; "
        "when they are not set, the one that runs in this project.",
        version_flags=(),
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
    )
    for name, (command, text) in COMMANDS.items():
        app.command(command, name=name, help=text)
    return app


if __name__ == "__main__":
    main()
