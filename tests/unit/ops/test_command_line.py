"""What a call of `cqrs` says, and how it ends."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from services.ops.main import run

ROOT = Path(__file__).parents[3]
NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_system_and_logging_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("CQRS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CQRS_STATE_DIR", "/nonexistent")
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for package in ("services", "shared"):
        logging.getLogger(package).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.ops", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


def test_help_tells_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ("send", "query", "events", "status", "commands", "queries", "4 degraded"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["send"], "COMMAND"),
        (["send", "CreateUser", "--frobnicate"], "--frobnicate"),
        (["send", "CreateUser", "--timeout", "soon"], "soon"),
        (["send", "CreateUser", "--timeout", "0"], "Must be > 0"),
        (["send", "CreateUser", "--id", "7"], "7"),
        (["send", "CreatUser"], "did you mean 'CreateUser'?"),
        (["send", "CreateUser", "user_id=alice"], "CreateUser: name is missing; email is missing"),
        (["query", "GetAllUsers", "limit=many"], "limit: "),
        (["events", "tail", "--type", "UserCreate"], "did you mean 'UserCreated'?"),
        (["events", "tail", "--aggregate", "alice"], "user/alice"),
        (["send", "RenameUser", "user_id=alice", "name=A"], "CQRS_AMQP_URL is not set"),
        (["status"], "CQRS_AMQP_URL is not set"),
        (["dlq", "list"], "CQRS_POSTGRES_URL is not set"),
        (["dlq", "list", "--since", "soon"], "'soon' is no moment"),
        (["dlq", "show"], "LETTER"),
        (["dlq", "show", "0"], "Must be >= 1"),
        (["dlq", "redrive"], "which ones?"),
        (["dlq", "redrive", "--all", "--type", "CreateUser"], "--all means every dead letter"),
        (["dlq", "redrive", "seven"], "seven"),
        (["dlq", "redrive", "7", "--rate", "fast"], "50/s"),
        (["dlq", "redrive", "7", "--rate", "0"], "50/s"),
        (["dlq", "drop"], "which ones?"),
        (["parked", "list"], "CQRS_MONGO_URL is not set"),
        (["parked", "show", "alice"], "users/alice"),
        (["parked", "heal"], "which ones?"),
        (["parked", "heal", "alice"], "users/alice"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why_on_stderr(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_no_broker_ends_with_3_and_one_line_without_a_password() -> None:
    done = process("query", "GetUserById", "user_id=alice", CQRS_AMQP_URL=f"amqp://u:s3cret@{NOWHERE}/cqrs")
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert NOWHERE in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("arguments", [("dlq", "list"), ("dlq", "drop", "--all", "--yes"), ("parked", "list")])
def test_no_store_ends_with_3_and_one_line_without_a_password(arguments: tuple[str, ...]) -> None:
    done = process(
        *arguments,
        CQRS_POSTGRES_URL=f"postgresql+asyncpg://u:s3cret@{NOWHERE}/cqrs",
        CQRS_MONGO_URL=f"mongodb://u:s3cret@{NOWHERE}/cqrs",
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr


def test_contracts_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["commands", "--json"]) == 0
    assert "CreateUser" in json.loads(capsys.readouterr().out)
    assert run(["queries", "--json"]) == 0
    assert "GetUserById" in json.loads(capsys.readouterr().out)


def test_a_degraded_system_ends_with_4() -> None:
    done = process(
        "status",
        "--json",
        CQRS_AMQP_URL=f"amqp://{NOWHERE}/cqrs",
        CQRS_RABBITMQ_API_URL=f"http://u:s3cret@{NOWHERE}",
        CQRS_POSTGRES_URL=f"postgresql+asyncpg://u:s3cret@{NOWHERE}/cqrs",
        CQRS_MONGO_URL=f"mongodb://u:s3cret@{NOWHERE}/cqrs",
        CQRS_COMMAND_HTTP_URL=f"http://{NOWHERE}",
        CQRS_QUERY_HTTP_URL=f"http://{NOWHERE}",
    )
    assert (done.returncode, done.stderr) == (4, "")
    document = json.loads(done.stdout)
    assert document["status"] == "degraded"
    assert len(document["troubles"]) == 5
    assert "s3cret" not in done.stdout
