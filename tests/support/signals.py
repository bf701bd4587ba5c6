"""What the kernel knows of a process's signal handlers."""

import os
import signal
import time
from pathlib import Path


def wait_until_caught(pid: int, number: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> None:
    """Until the process has a handler for the signal. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
        if int(caught, 16) & (1 << (number - 1)):
            return
        os.sched_yield()
    raise TimeoutError(f"{number.name} was not caught after {timeout} s")
