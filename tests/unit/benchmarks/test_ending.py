"""A run that is told to end stops what it started."""

import signal
import subprocess
import sys

import pytest

RUN = """
import asyncio, sys, time
from tests.benchmarks.session import end_as_by_hand

async def busy():
    try:
        while True:
            time.sleep(0.01)
            await asyncio.sleep(0)
    except KeyboardInterrupt:
        print("struck in the middle of something", flush=True)
        raise

async def main():
    other = asyncio.create_task(busy())
    try:
        print("at work", flush=True)
        await other
    finally:
        await asyncio.sleep(0.05)
        print("stopped what it started", flush=True)

end_as_by_hand()
asyncio.run(main())
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_cancels_and_cleans_up_even_in_the_background(told: signal.Signals) -> None:
    background = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{RUN}"
    with subprocess.Popen(
        [sys.executable, "-c", background], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == "at work\n"
            run.send_signal(told)
            output, error = run.communicate(timeout=20)
        finally:
            run.kill()
    assert output == "stopped what it started\n"
    assert error.splitlines()[-1] == "KeyboardInterrupt"
    assert run.returncode == -signal.SIGINT
