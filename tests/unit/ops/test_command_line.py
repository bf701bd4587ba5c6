"""`cqrs` as its users run it: a process, its exit code, its stdout and its stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def cqrs(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CQRS_")}
    return subprocess.run(
        [sys.executable, "-m", "services.ops", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
        env=variables | {"CQRS_STATE_DIR": "/nonexistent", "COLUMNS": "200"} | environment,
    )


def test_help_tells_the_commands_and_the_exit_codes() -> None:
    done = cqrs("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("send", "query", "events", "status", "commands", "queries", "4 degraded"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("frobnicate",), "frobnicate"),
        (("send",), "COMMAND"),
        (("send", "CreateUser", "--frobnicate"), "--frobnicate"),
        (("send", "CreateUser", "--timeout", "soon"), "soon"),
        (("send", "CreateUser", "--id", "7"), "7"),
        (("send", "CreatUser"), "did you mean 'CreateUser'?"),
        (("send", "CreateUser", "user_id=alice"), "CreateUser: name is missing; email is missing"),
        (("query", "GetAllUsers", "limit=many"), "limit: "),
        (("events", "tail", "--type", "UserCreate"), "did you mean 'UserCreated'?"),
        (("events", "tail", "--aggregate", "alice"), "user/alice"),
        (("send", "RenameUser", "user_id=alice", "name=A"), "CQRS_AMQP_URL is not set"),
        (("status",), "CQRS_AMQP_URL is not set"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why_on_stderr(arguments: tuple[str, ...], said: str) -> None:
    done = cqrs(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_no_broker_ends_with_3_and_one_line_without_a_password() -> None:
    done = cqrs("query", "GetUserById", "user_id=alice", CQRS_AMQP_URL="amqp://u:s3cret@127.0.0.1:1/cqrs")
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1:1" in done.stderr
    assert "s3cret" not in done.stderr


def test_contracts_are_listed_for_programs() -> None:
    done = cqrs("commands", "--json")
    assert done.returncode == 0
    assert "CreateUser" in json.loads(done.stdout)
    assert "GetUserById" in json.loads(cqrs("queries", "--json").stdout)


def test_a_degraded_system_ends_with_4() -> None:
    nowhere = "127.0.0.1:1"
    done = cqrs(
        "status",
        "--json",
        CQRS_AMQP_URL=f"amqp://{nowhere}/cqrs",
        CQRS_RABBITMQ_API_URL=f"http://u:s3cret@{nowhere}",
        CQRS_POSTGRES_URL=f"postgresql+asyncpg://u:s3cret@{nowhere}/cqrs",
        CQRS_MONGO_URL=f"mongodb://u:s3cret@{nowhere}/cqrs?serverSelectionTimeoutMS=100",
        CQRS_COMMAND_HTTP_URL=f"http://{nowhere}",
        CQRS_QUERY_HTTP_URL=f"http://{nowhere}",
    )
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert document["status"] == "degraded"
    assert len(document["troubles"]) == 5
    assert "s3cret" not in done.stdout + done.stderr
