"""A wrong clock is wrong about the time of day alone, or a run with one proves nothing about it."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.wrong_clock import HOUR, why_no_wrong_clock, wrong_clock

PROGRAM = """
import asyncio, json, threading, time
import uvloop

async def main():
    await asyncio.sleep(0.1)
    await asyncio.to_thread(threading.Event().wait, 0.1)
    return asyncio.get_running_loop().time()

print(json.dumps({"time": time.time(), "monotonic": time.monotonic(), "loop": uvloop.run(main())}))
"""


def told(offset: str | None) -> dict[str, float]:
    env = dict(os.environ) | (dict(wrong_clock(offset)) if offset else {})
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(("offset", "seconds"), [("+1h", HOUR), ("-1h", -HOUR)])
def test_the_time_of_day_is_wrong_and_what_deadlines_count_by_is_right(offset: str, seconds: int) -> None:
    if (why := why_no_wrong_clock()) is not None:
        pytest.skip(why)
    before, wrong, after = told(None), told(offset), told(None)

    assert before["time"] < wrong["time"] - seconds < after["time"]
    assert before["monotonic"] < wrong["monotonic"] < after["monotonic"]
    assert before["loop"] < wrong["loop"] < after["loop"]
