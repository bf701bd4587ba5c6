"""A native stack of the tests' own: real servers and real services on ports of their own, beside whatever else runs."""

import fcntl
import os
import random
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.native import processes
from deploy.native.client_env import admin_urls, client_env
from deploy.native.layout import BLOCK, ROOT, Layout, this_python
from deploy.native.mongod_download import fetch_mongod
from deploy.native.ports import is_free
from deploy.native.postgresql import postgres_home
from deploy.native.stack import SERVERS, NativeStack
from tests.support.small_disk import mount_small_disk, unmount_below

CLIENT_VARIABLES = (
    "CQRS_AMQP_URL",
    "CQRS_OPS_AMQP_URL",
    "CQRS_ADMIN_AMQP_URL",
    "CQRS_RABBITMQ_API_URL",
    "CQRS_POSTGRES_URL",
    "CQRS_MONGO_URL",
    "CQRS_COMMAND_HTTP_URL",
    "CQRS_QUERY_HTTP_URL",
)
TESTS = ROOT / ".native" / "tests"
FIRST_PORT, LAST_PORT = 18000, 31000


@dataclass(frozen=True)
class AdminUrls:
    """Administrators' URLs of RabbitMQ, its management API, PostgreSQL and MongoDB."""

    amqp: str
    rabbitmq_api: str
    postgres: str
    mongo: str


class Stack:
    """Parts by name: `rabbitmq`, `postgres`, `mongo`, `command-1`, `query-2` …; `command` and `query` mean all of them.

    `env` holds the CQRS_* variables that a client is given. All methods block; `start` returns when the part is ready.
    """

    def __init__(self, native: NativeStack) -> None:
        self.native = native
        self.env = client_env(native.layout)

    def start(self, name: str, *, wait: bool = True) -> None:
        self.native.start(name, wait=wait)

    def stop(self, name: str) -> None:
        """Gracefully; for a server that is its own clean shutdown."""
        self.native.stop(self.native.names(name))

    def terminate(self, name: str) -> int:
        """SIGTERM, and the exit code once it has ended (the worst one of several; −9 when it had to be killed)."""
        pids = [pid for each in self.native.names(name) if (pid := self.native.pid(each))]
        self.stop(name)
        return max((processes.exit_code(pid) or 0 for pid in pids), key=abs, default=0)

    def kill(self, name: str) -> None:
        """`kill -9` of the part and all its processes; returns when they are gone."""
        self.native.send(name, signal.SIGKILL)

    def suspend(self, name: str) -> None:
        """SIGSTOP: there, but silent."""
        self.native.send(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.native.send(name, signal.SIGCONT)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def running(self) -> list[str]:
        return self.native.running()

    def wait_ready(self, name: str, timeout: float = 60.0) -> None:
        self.native.wait_ready(name, timeout)

    def http_urls(self, service: str) -> list[str]:
        """Base URLs of the health servers of every `command` or `query` process."""
        layout = self.native.layout
        ports = {"command": layout.command_http_port, "query": layout.query_http_port}[service]
        return [f"http://127.0.0.1:{ports(int(name.partition('-')[2]))}" for name in self.native.names(service)]


@contextmanager
def own_servers(
    *, command_replicas: int = 1, query_replicas: int = 1, small_disks: bool = False
) -> Iterator[NativeStack]:
    """RabbitMQ, PostgreSQL and MongoDB in a fresh folder, stopped and removed at the end; their logs are kept.

    With `small_disks` (see small_disk.py; raises OSError) the data of PostgreSQL and MongoDB is on one each.

    What a test run that was killed left behind is stopped and removed first.
    """
    TESTS.mkdir(parents=True, exist_ok=True)
    state = TESTS / f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with ExitStack() as held:
        with (TESTS / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _remove_leftovers()
            state.mkdir()
            owner = held.enter_context((state / "owner").open("w"))
            fcntl.flock(owner, fcntl.LOCK_EX)  # held until this process ends, however it ends
        layout = Layout(
            state=state,
            port_base=claim_block(held),
            downloads=ROOT / ".native" / "downloads",
            python=this_python(),
            command_replicas=command_replicas,
            query_replicas=query_replicas,
        )
        fetch_mongod(layout.downloads, layout.python)
        native = NativeStack(layout)
        try:
            if small_disks:
                _mount_small_disks(layout)
            native.start_servers()
            yield native
        finally:
            _keep_logs(layout)
            _remove(native)


def data_folder(layout: Layout, server: str) -> Path:
    """Where `postgres` or `mongo` has its data."""
    return postgres_home(layout) if server == "postgres" else layout.state / "mongodb"


def servers_admin_urls(native: NativeStack) -> AdminUrls:
    return AdminUrls(**admin_urls(native.layout))


@contextmanager
def services_on(native: NativeStack) -> Iterator[Stack]:
    """The set-up jobs and the services, on servers that run; the services are stopped at the end."""
    native.set_up()
    native.start_services()
    try:
        yield Stack(native)
    finally:
        native.stop([name for name in native.running() if name not in SERVERS])


def external_env() -> dict[str, str] | None:
    """The CQRS_* variables of a stack that runs elsewhere, such as docker compose's, when CQRS_E2E_EXTERNAL=1."""
    if os.environ.get("CQRS_E2E_EXTERNAL") != "1":
        return None
    missing = [name for name in CLIENT_VARIABLES if not os.environ.get(name)]
    if missing:
        raise RuntimeError(f'CQRS_E2E_EXTERNAL=1 needs {", ".join(missing)}: eval "$(make env)"')
    return {name: os.environ[name] for name in CLIENT_VARIABLES}


def claim_block(held: ExitStack) -> int:
    """The first of BLOCK ports that are free, and nobody else's who claims his so: another test process, of any clone,
    that looks at the same moment. The claim is a port behind the block, bound as long as `held` is open.
    """
    for _ in range(200):
        base = random.randrange(FIRST_PORT, LAST_PORT, BLOCK + 1)
        with ExitStack() as ours:
            claim = ours.enter_context(socket.socket())
            with suppress(OSError):
                claim.bind(("127.0.0.1", base + BLOCK))
                if all(is_free(port) for port in range(base, base + BLOCK)):
                    held.enter_context(ours.pop_all())
                    return base
    raise RuntimeError(f"no {BLOCK} free ports in a row between {FIRST_PORT} and {LAST_PORT}")


def _remove_leftovers() -> None:
    for state in TESTS.iterdir():
        owner = state / "owner"
        if not owner.exists():
            continue
        with owner.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # another test run, alive
            layout = Layout(state=state, port_base=0, downloads=ROOT / ".native" / "downloads", python=this_python())
            _remove(NativeStack(layout))


def _mount_small_disks(layout: Layout) -> None:
    home = layout.postgres_fallback  # within reach of the user that PostgreSQL runs as, wherever the clone is
    for folder, owner in ((home, "postgres"), (data_folder(layout, "mongo"), "root")):
        folder.mkdir(mode=0o700)
        mount_small_disk(folder, owner=owner)


def _remove(native: NativeStack) -> None:
    layout = native.layout
    native.clean()
    for folder in (layout.state, layout.postgres_fallback):
        unmount_below(folder)
    shutil.rmtree(layout.postgres_fallback, ignore_errors=True)
    shutil.rmtree(layout.state)


def _keep_logs(layout: Layout) -> None:
    kept: Path = TESTS / "last-log"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(layout.logs, kept)
