import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("service", ["services.command", "services.query"])
def test_a_service_told_to_stop_while_it_imports_exits_with_0(service: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-m", service], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_caught(process, signal.SIGTERM)  # which Python leaves alone; SIGINT is taken over with it
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")  # 2 and its missing settings, if it had come that far


def wait_until_caught(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Until the process has a handler for the signal, as the kernel knows it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
        if int(caught, 16) & (1 << (number - 1)):
            return
        os.sched_yield()
    raise AssertionError(f"{number.name} was never caught")
