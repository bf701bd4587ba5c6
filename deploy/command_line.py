"""The commands behind the Makefile's targets, for both stacks."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from deploy import docker_stack, native_commands
from deploy.choice import chosen_stack
from deploy.native.errors import StackError
from deploy.native.progress import say


def main() -> None:
    """Exit code 0; 1 after one clear line on stderr; 130 when interrupted."""
    arguments = _parser().parse_args()
    try:
        _run(arguments)
    except StackError as error:
        if error.details:
            say(error.details.rstrip())
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: argparse.Namespace) -> None:
    native_only: dict[str, Callable[[], None]] = {
        "venv": lambda: native_commands.venv(dev=arguments.dev),
        "prepare": native_commands.prepare,
        "kill": lambda: native_commands.kill(arguments.part),
        "start": lambda: native_commands.start(arguments.part),
        "stop": lambda: native_commands.stop(arguments.part),
        "secrets": lambda: docker_stack.write_secrets(arguments.folder),
    }
    if arguments.command in native_only:
        native_only[arguments.command]()
        return
    commands = docker_stack if chosen_stack(arguments.command) == "docker" else native_commands
    if arguments.command == "logs":
        commands.logs(arguments.part)
    elif arguments.command == "up" and commands is docker_stack and not os.environ.get("STACK"):
        docker_stack.up_or_else(native_commands.up)
    else:
        {
            "up": commands.up,
            "down": commands.down,
            "status": commands.status,
            "env": commands.env,
            "clean": commands.clean,
        }[arguments.command]()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m deploy", description="Runs the system. See make help.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "up": "start everything that isn't running, and wait until it is ready",
        "down": "stop everything",
        "status": "what runs where",
        "env": "shell lines that tell clients where everything is",
        "clean": "stop everything and remove its data",
        "prepare": "install what tests need: packages, virtual environment, mongod",
    }.items():
        commands.add_parser(name, help=text)
    commands.add_parser("venv", help="make the virtual environment").add_argument("--dev", action="store_true")
    secrets = commands.add_parser("secrets", help="write random secrets for docker compose into a folder")
    secrets.add_argument("folder", type=Path)
    commands.add_parser("logs", help="follow the logs").add_argument("part", nargs="?")
    for name, text in {"kill": "kill -9 a part (native)", "start": "start a part", "stop": "stop a part"}.items():
        commands.add_parser(name, help=text).add_argument("part")
    return parser
