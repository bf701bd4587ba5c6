"""The native stack as its users meet it: `python -m deploy …`, in a folder and on ports of its own."""

import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.native import processes
from deploy.native.layout import BLOCK, ROOT
from deploy.native.ports import is_free
from tests.support.stack import claim_block

PARTS = ["command-1", "epmd", "mongo", "postgres", "query-1", "rabbitmq"]


@dataclass(frozen=True)
class Clone:
    """Runs commands on one native stack."""

    state: Path
    port_base: int

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {"STACK": "native", "CQRS_STATE_DIR": str(self.state), "CQRS_PORT_BASE": str(self.port_base)}
        return subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            cwd=ROOT,
            env=os.environ | own | env,
            capture_output=True,
            text=True,
            timeout=110,
        )

    def pids(self) -> dict[str, int | None]:
        return {file.stem: processes.running(file) for file in sorted((self.state / "run").glob("*.json"))}

    def left_running(self) -> list[str]:
        """Command lines of processes that mention the stack's folder."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and process.name != str(os.getpid()):
                try:
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if str(self.state) in line:
                    found.append(line)
        return found


@pytest.fixture(scope="module")
def one_stack() -> Iterator[Clone]:
    # Not below pytest's own folder: that is closed to user postgres, and the fallback is a test of its own.
    state = ROOT / ".native" / "tests" / f"stack-{os.getpid()}-{random.randrange(10**6)}"
    with ExitStack() as held:
        clone = Clone(state, claim_block(held))
        try:
            yield clone
        finally:
            clone.run("clean")
            shutil.rmtree(clone.state, ignore_errors=True)


@pytest.fixture
def other_ports() -> Iterator[int]:
    """The base of a block that nobody else uses."""
    with ExitStack() as held:
        yield claim_block(held)


@pytest.fixture
def clone(one_stack: Clone) -> Clone:
    """A stack that is up."""
    if list(one_stack.pids()) != PARTS or None in one_stack.pids().values():
        done = one_stack.run("up")
        assert done.returncode == 0, done.stderr
    return one_stack


def test_up_returns_when_everything_is_ready(clone: Clone) -> None:
    status = clone.run("status")
    assert status.returncode == 0, status.stdout
    assert all(" ready, pid " in line for line in status.stdout.splitlines())
    assert list(clone.pids()) == PARTS


def test_up_twice_changes_nothing(clone: Clone) -> None:
    before = clone.pids()
    started = time.monotonic()

    again = clone.run("up")

    assert again.returncode == 0
    assert time.monotonic() - started < 10
    assert clone.pids() == before
    assert None not in before.values()


LOOPBACK_V4, LOOPBACK_V6 = "0100007F", "0" * 24 + "01000000"


def listening() -> list[tuple[str, int]]:
    """Address (in the kernel's hexadecimal) and port of every listening TCP socket: see proc_net_tcp(5)."""
    sockets = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A":
                sockets.append((address, int(port, 16)))
    return sockets


def test_every_port_is_on_the_loopback_interface(clone: Clone) -> None:
    ours = [(address, port) for address, port in listening() if clone.port_base <= port < clone.port_base + BLOCK]
    assert len(ours) >= 8
    assert {address for address, _ in ours} <= {LOOPBACK_V4, LOOPBACK_V6}, ours


def test_no_thread_of_the_broker_is_bound_to_a_core(clone: Clone) -> None:
    pid = clone.pids()["rabbitmq"]
    assert pid is not None
    everywhere = os.sched_getaffinity(0)

    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]

    assert len(threads) > len(everywhere)
    assert all(os.sched_getaffinity(thread) == everywhere for thread in threads)


def test_env_prints_what_a_client_needs(clone: Clone) -> None:
    done = clone.run("env")
    shell = f"{done.stdout}\nenv | grep ^CQRS_ | cut -d= -f1 | sort"
    names = subprocess.run(["sh", "-c", shell], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert names.stdout.split() == [
        "CQRS_ADMIN_AMQP_URL",
        "CQRS_AMQP_URL",
        "CQRS_COMMAND_HTTP_URL",
        "CQRS_MONGO_URL",
        "CQRS_OPS_AMQP_URL",
        "CQRS_POSTGRES_URL",
        "CQRS_QUERY_HTTP_URL",
        "CQRS_RABBITMQ_API_URL",
    ]
    assert (clone.state / "env").read_text() == done.stdout
    assert (clone.state / "env").stat().st_mode & 0o077 == 0


def test_secrets_are_the_owners_alone(clone: Clone) -> None:
    assert (clone.state / "secrets").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (clone.state / "secrets").iterdir())


def test_up_starts_just_what_was_killed(clone: Clone) -> None:
    before = clone.pids()
    assert clone.run("kill", "query-1").returncode == 0
    assert clone.pids()["query-1"] is None
    assert clone.run("status").returncode == 1

    assert clone.run("up").returncode == 0

    after = clone.pids()
    assert after["query-1"] not in (None, before["query-1"])
    assert {name: pid for name, pid in after.items() if name != "query-1"} == {
        name: pid for name, pid in before.items() if name != "query-1"
    }


def test_more_processes_of_a_service_are_started_and_stopped_again(clone: Clone) -> None:
    assert clone.run("up", COMMAND_REPLICAS="2", QUERY_REPLICAS="2").returncode == 0
    assert {"command-2", "query-2"} <= clone.pids().keys()
    for port in (clone.port_base + 11, clone.port_base + 31):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as response:
            assert response.status == 200

    assert clone.run("up").returncode == 0

    assert list(clone.pids()) == PARTS


def test_a_stack_that_runs_keeps_its_ports(clone: Clone) -> None:
    done = clone.run("up", CQRS_PORT_BASE=str(clone.port_base + BLOCK))
    assert done.returncode == 1
    assert f"error: the stack is up on ports from {clone.port_base}: make down first" in done.stderr


def test_a_second_stack_says_which_port_is_taken(clone: Clone) -> None:
    other = Clone(clone.state.with_name(clone.state.name + "-other"), clone.port_base)
    try:
        done = other.run("up")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"error: port {clone.port_base + 4} (Erlang port mapper) is taken by epmd (pid ")
        assert "make up CQRS_PORT_BASE=" in last
        assert other.left_running() == []
    finally:
        shutil.rmtree(other.state, ignore_errors=True)


def test_a_service_that_dies_at_its_start_is_shown_with_the_end_of_its_log(clone: Clone) -> None:
    clone.run("kill", "command-1")
    done = clone.run("up", COMMAND_BATCH_SIZE="none")
    assert done.returncode == 1
    assert "COMMAND_BATCH_SIZE" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: command service 1 ended while it started: see ")


@pytest.mark.timeout(180)
def test_down_leaves_nothing_running_and_up_comes_back_on_other_ports(clone: Clone, other_ports: int) -> None:
    for name in ("postgres", "mongo"):
        assert clone.run("kill", name).returncode == 0

    assert clone.run("down").returncode == 0

    assert clone.left_running() == []
    assert all(is_free(port) for port in range(clone.port_base, clone.port_base + BLOCK))
    assert clone.run("down").returncode == 0, "down twice is harmless"
    moved = Clone(clone.state, other_ports)
    done = moved.run("up")
    assert done.returncode == 0, done.stderr
    assert moved.run("clean").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
@pytest.mark.timeout(180)
def test_data_goes_elsewhere_when_postgresqls_user_cannot_reach_the_folder(tmp_path: Path, other_ports: int) -> None:
    tmp_path.chmod(0o700)
    hidden = Clone(tmp_path / "state", other_ports)
    try:
        done = hidden.run("up")
        assert done.returncode == 0, done.stderr
        said = next(line for line in done.stderr.splitlines() if "PostgreSQL's data goes to /var/tmp/cqrs-" in line)
        fallback = Path(said.rpartition(" ")[2])
        assert (fallback / "data" / "PG_VERSION").exists()
    finally:
        hidden.run("clean")
    assert not fallback.exists()
    assert list((tmp_path / "state").iterdir()) == []
