"""Being told to stop before there is anything to stop. Imports nothing that takes time: it runs before all else."""

import os
import signal
from types import FrameType

STOPPED = 0


def stop_at_once_until_started() -> None:
    """SIGTERM and SIGINT end the process with exit code 0, until `run_service` takes the signals over.

    The first line of a service's entry point, before the imports, which take a second or two: a supervisor that stops
    a service while it starts sees what it sees of a running one. Not for jobs: one that was stopped is not done.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    os._exit(STOPPED)  # an exception could be swallowed by whatever is being imported; there is nothing to flush
