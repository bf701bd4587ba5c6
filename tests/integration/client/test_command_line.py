"""`cqrs` as a process, on a real broker with a stand-in for the services behind it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from uuid import uuid4

from tests.integration.client.stand_in import StandIn, found, rejected, user_created

ROOT = Path(__file__).parents[3]
ALICE = ("user_id=alice", "name=Alice", "email=alice@example.com")


async def start(url: str, *arguments: str) -> Process:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CQRS_")}
    env = variables | {"CQRS_AMQP_URL": url, "COLUMNS": "200"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ops", *arguments, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=env
    )


async def cqrs(url: str, *arguments: str) -> tuple[int | None, str, str]:
    """Exit code, stdout, stderr."""
    process = await start(url, *arguments)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def test_an_accepted_command_ends_with_0(vhost_url: str, stand_in: StandIn) -> None:
    code, out, err = await cqrs(vhost_url, "send", "CreateUser", *ALICE)
    assert (code, err) == (0, "")
    assert "accepted  alice is at version 1" in out


async def test_a_rejected_command_ends_with_1_and_its_outcome_on_stdout(vhost_url: str, stand_in: StandIn) -> None:
    stand_in.on_command = rejected
    id_ = str(uuid4())
    code, out, err = await cqrs(vhost_url, "send", "CreateUser", *ALICE, "--json", "--id", id_, "--expected-version=0")
    assert (code, err) == (1, "")
    assert json.loads(out)["error"]["code"] == "email_taken"
    assert json.loads(out)["command_id"] == id_
    assert stand_in.received[0].headers["expected-version"] == 0


async def test_sending_without_waiting_tells_the_commands_id(vhost_url: str, stand_in: StandIn) -> None:
    code, out, _ = await cqrs(vhost_url, "send", "CreateUser", *ALICE, "--no-wait", "--json")
    await stand_in.until_received(1)
    assert code == 0
    assert json.loads(out) == {"command_id": stand_in.received[0].message_id}
    assert stand_in.received[0].reply_to is None


async def test_no_outcome_in_time_ends_with_3(vhost_url: str, stand_in: StandIn) -> None:
    stand_in.on_command = lambda _message: None
    code, out, err = await cqrs(vhost_url, "send", "CreateUser", *ALICE, "--timeout", "0.3")
    assert (code, out) == (3, "")
    assert "it may still be applied" in err


async def test_an_answer_ends_with_0(vhost_url: str, stand_in: StandIn) -> None:
    stand_in.on_query = found
    code, out, _ = await cqrs(
        vhost_url, "query", "GetUserById", "user_id=alice", "--token", "user/alice@1", "--max-wait", "2", "--json"
    )
    assert code == 0
    assert json.loads(out)["data"]["user_id"] == "alice"
    assert stand_in.received[0].headers == {"consistency-token": "user/alice@1", "max-wait-ms": 2000}


async def test_an_error_answer_ends_with_1(vhost_url: str, stand_in: StandIn) -> None:
    error = {"code": "user_not_found", "message": "no user bob", "retryable": False}
    stand_in.on_query = lambda _message: {"status": "error", "error": error}
    code, out, _ = await cqrs(vhost_url, "query", "GetUserById", "user_id=bob")
    assert (code, out.strip()) == (1, "user_not_found  no user bob")


async def test_a_token_that_is_none_ends_with_2(vhost_url: str) -> None:
    code, _, err = await cqrs(vhost_url, "query", "GetUserById", "user_id=bob", "--token", "bob")
    assert code == 2
    assert "a consistency token looks like user/alice@3" in err


async def test_events_are_followed_one_json_line_each(vhost_url: str, stand_in: StandIn) -> None:
    process = await start(
        vhost_url, "events", "tail", "--json", "--count", "2", "--type", "UserCreated", "--aggregate", "user/alice"
    )
    assert process.stderr is not None
    assert b"listening" in await process.stderr.readline()
    for user_id in ("alice", "bob", "alice"):
        await stand_in.publish_event(user_created(user_id))
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert [json.loads(line)["aggregateid"] for line in out.splitlines()] == ["alice", "alice"]


async def test_ctrl_c_ends_quietly_with_130(vhost_url: str) -> None:
    # A job in the background ignores it, and so would its children.
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = await start(vhost_url, "events", "tail")
    signal.signal(signal.SIGINT, ours)
    assert process.stderr is not None
    assert b"listening" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_a_reader_that_has_enough_is_no_error(vhost_url: str, stand_in: StandIn) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m services.ops events tail --json | head -n 1; echo ${{PIPESTATUS[0]}}",
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env=os.environ | {"CQRS_AMQP_URL": vhost_url},
        executable="/bin/bash",
    )
    assert process.stderr is not None
    assert b"listening" in await process.stderr.readline()
    for _ in range(3):
        await stand_in.publish_event(user_created("alice"))
        await asyncio.sleep(0.2)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert out.splitlines()[1] == b"0"
    assert err == b""
