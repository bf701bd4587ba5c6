"""What /proc says of a process, and of this very one."""

import os
import time

from tests.benchmarks.usage import cpu_seconds, rss_mb, usage

STAT = "42 (a) strange) name) S 1 42 42 0 -1 4194560 100 200 0 0 250 50 30 20 20 0 7 0 12345 1000 200"


def test_cpu_time_is_that_of_the_process_and_of_the_children_it_has_reaped() -> None:
    assert cpu_seconds(STAT, 100) == 3.5


def test_memory_is_what_is_resident() -> None:
    assert rss_mb("Name:\tx\nVmHWM:\t  200000 kB\nVmRSS:\t  100000 kB\n") == 102.4
    assert rss_mb("Name:\tkthreadd\n") == 0.0


def test_work_shows_as_cpu_time() -> None:
    before = usage({"this": os.getpid()})
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    spent = usage({"this": os.getpid()}).cpu_since(before)["this"]
    assert 0.15 <= spent < 5
    assert before.rss_mb["this"] > 5
