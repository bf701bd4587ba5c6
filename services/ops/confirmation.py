"""Asking a person before something that can't be taken back."""

import signal
import sys

from services.ops.errors import OpsError, UsageError
from services.ops.exit_code import ExitCode


def confirm(question: str, *, yes: bool) -> None:
    """Returns when the answer is yes, or `yes` says so already.

    Raises OpsError when it is no, and UsageError where nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nobody can be asked here: say --yes, or look first with --dry-run")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    # asyncio's own handler would wait for the loop, which waits for us.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, handler)
    if answer.strip().lower() not in ("y", "yes"):
        raise OpsError("nothing was done", ExitCode.NO)
