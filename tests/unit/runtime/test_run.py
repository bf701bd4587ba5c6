import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVICE = Path(__file__).with_name("service_under_test.py")
ROOT = Path(__file__).parents[3]


@contextmanager
def process(behaviour: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    variables = {"UNDER_TEST_PASSWORD": "s3cret"} | environment
    with subprocess.Popen(
        [sys.executable, SERVICE, behaviour],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    ) as service:
        try:
            yield service
        finally:
            service.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_drains_and_exits_with_0(number: signal.Signals) -> None:
    with process("good") as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "up\n"
        service.send_signal(number)
        out, err = service.communicate(timeout=10)
    assert (service.returncode, out) == (0, "drained\n")
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["stopping", "stopped"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_twice_it_ends_at_once(number: signal.Signals, code: int) -> None:
    with process("never-drains", UNDER_TEST_DRAIN_SECONDS="30") as service:
        assert service.stdout is not None
        assert service.stderr is not None
        service.stdout.readline()
        service.send_signal(number)
        assert "stopping" in service.stderr.readline()
        service.send_signal(number)
        service.communicate(timeout=10)
    assert service.returncode == code


def test_a_drain_that_takes_too_long_is_given_up() -> None:
    with process("never-drains", UNDER_TEST_DRAIN_SECONDS="0.2") as service:
        assert service.stdout is not None
        service.stdout.readline()
        service.terminate()
        _, err = service.communicate(timeout=10)
    assert service.returncode == 1
    assert "not drained in time" in err


def test_a_start_up_failure_is_one_line_without_secrets() -> None:
    with process("no-server") as service:
        _, err = service.communicate(timeout=10)
    assert (service.returncode, err) == (1, "can't start: ConnectionError: can't reach amqp://u:***@rabbit/\n")


def test_bad_settings_are_a_line_each_and_exit_code_2() -> None:
    with process("good", UNDER_TEST_PASSWORD="", UNDER_TEST_DRAIN_SECONDS="s3cret") as service:
        _, err = service.communicate(timeout=10)
    assert service.returncode == 2
    assert len(err.splitlines()) == 2
    assert "UNDER_TEST_PASSWORD is not set (nor UNDER_TEST_PASSWORD_FILE)" in err
    assert "UNDER_TEST_DRAIN_SECONDS: " in err
    assert "s3cret" not in err


def test_a_crashed_background_task_stops_the_service_with_1_and_says_why() -> None:
    with process("crash") as service:
        out, err = service.communicate(timeout=10)
    assert service.returncode == 1
    assert out.endswith("drained\n")
    assert "ZeroDivisionError: a bug" in json.loads(err.splitlines()[0])["exception"]


def test_a_service_that_returns_by_itself_has_failed() -> None:
    with process("return") as service:
        _, err = service.communicate(timeout=10)
    assert service.returncode == 1
    assert "ended without being told to" in err


@pytest.mark.parametrize(
    ("behaviour", "code", "err"),
    [("job", 0, ""), ("failing-job", 1, "failed: ConnectionError: can't reach amqp://u:***@rabbit/\n")],
)
def test_a_job_is_done_or_fails_in_one_line(behaviour: str, code: int, err: str) -> None:
    with process(behaviour) as service:
        assert service.communicate(timeout=10)[1] == err
    assert service.returncode == code
