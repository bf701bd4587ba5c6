"""A pid file means one process and no other, whatever became of it since."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from deploy.native import processes
from deploy.native.errors import StackError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]
WITH_CHILD = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"]


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "part.json"


def start(argv: list[str], pid_file: Path) -> int:
    return processes.start(
        argv, env=os.environ, cwd=pid_file.parent, pid_file=pid_file, log=pid_file.with_suffix(".log")
    )


def test_a_started_process_is_running_until_it_is_stopped(pid_file: Path) -> None:
    pid = start(SLEEP, pid_file)
    assert processes.running(pid_file) == pid

    assert processes.stop([(pid_file, signal.SIGTERM)], grace=10) == []

    assert processes.running(pid_file) is None
    assert not pid_file.exists()
    assert processes.exit_code(pid) == -signal.SIGTERM


def test_a_process_that_does_not_end_in_time_is_killed(pid_file: Path) -> None:
    pid = start(STUBBORN, pid_file)
    wait_for_log(pid_file, "deaf")

    assert processes.stop([(pid_file, signal.SIGTERM)], grace=0.2) == [pid_file]

    assert processes.exit_code(pid) == -signal.SIGKILL


def test_a_suspended_process_can_be_stopped(pid_file: Path) -> None:
    pid = start(SLEEP, pid_file)
    processes.send(pid, signal.SIGSTOP)

    assert processes.stop([(pid_file, signal.SIGTERM)], grace=10) == []


def test_killing_takes_the_children_along(pid_file: Path) -> None:
    pid = start(WITH_CHILD, pid_file)
    while not (children := processes.descendants(pid)):
        time.sleep(0.01)

    processes.send(pid, signal.SIGKILL)

    assert processes.wait_gone(pid_file, 5)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{child}/cmdline").exists() and cmdline(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(pid_file: Path) -> None:
    pid = start(SLEEP, pid_file)
    identity = json.loads(pid_file.read_text())
    reused = pid_file.with_name("reused.json")
    reused.write_text(json.dumps(identity | {"started": identity["started"] - 1}))
    earlier_boot = pid_file.with_name("boot.json")
    earlier_boot.write_text(json.dumps(identity | {"boot": "00000000-0000-0000-0000-000000000000"}))

    assert processes.running(reused) is None
    assert processes.running(earlier_boot) is None
    assert processes.stop([(reused, signal.SIGKILL)], grace=1) == []
    assert processes.running(pid_file) == pid
    processes.stop([(pid_file, signal.SIGTERM)], grace=10)


@pytest.mark.parametrize("content", ["", "4711", "{}", '{"pid": "x"}', "[1]"])
def test_a_damaged_pid_file_means_not_running(pid_file: Path, content: str) -> None:
    pid_file.write_text(content)
    assert processes.running(pid_file) is None


def test_a_program_that_is_not_there_is_named(pid_file: Path) -> None:
    with pytest.raises(StackError, match="/no/such/program"):
        start(["/no/such/program"], pid_file)


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_for_log(pid_file: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in processes.tail(pid_file.with_suffix(".log")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
