import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.signals import wait_until_caught

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("service", ["services.command", "services.query"])
def test_a_service_told_to_stop_while_it_imports_exits_with_0(service: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-m", service], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_caught(process.pid)  # which Python leaves alone; SIGINT is taken over with it
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")  # 2 and its missing settings, if it had come that far
