"""The stack as a whole: what starts in which order, and every part by its name."""

import fcntl
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from deploy.native import processes
from deploy.native.epmd import epmd
from deploy.native.errors import StackError
from deploy.native.layout import ROOT, Layout
from deploy.native.mongodb import mongodb, prepare_mongodb
from deploy.native.part import Part
from deploy.native.ports import require_free
from deploy.native.postgresql import postgres_home, postgresql, prepare_postgresql
from deploy.native.progress import say, step
from deploy.native.rabbitmq import prepare_rabbitmq, rabbitmq
from deploy.native.secret_files import make_secrets
from deploy.native.services import SETUP_JOBS, command_service, query_service, setup_environment

SERVERS: dict[str, Callable[[Layout], Part]] = {
    "epmd": epmd,
    "rabbitmq": rabbitmq,
    "postgres": postgresql,
    "mongo": mongodb,
}
PREPARE = {"rabbitmq": prepare_rabbitmq, "postgres": prepare_postgresql, "mongo": prepare_mongodb}
SERVICES: dict[str, Callable[[Layout, int], Part]] = {"command": command_service, "query": query_service}
T = TypeVar("T")
GRACE_SECONDS = 40.0  # longer than a service takes to drain, or a server to close its files


class NativeStack:
    """Every method is harmless when what it asks for is already so."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def start_servers(self) -> None:
        """RabbitMQ, PostgreSQL and MongoDB, side by side; returns when all of them serve."""
        self.layout.make_folders()
        make_secrets(self.layout.secrets)
        missing = [name for name in SERVERS if not self.pid(name)]
        if not missing:
            return
        self._require_ports([self._part(name) for name in missing])
        self.layout.remember()
        if missing[0] == "epmd":
            self._finish_start(self._launch(missing.pop(0)))
        parts = [self._launch(name) for name in missing]
        if parts:
            with step(f"starting {', '.join(part.title for part in parts)}"):
                _all(self._finish_start, parts)

    def set_up(self) -> None:
        """Topology, roles, migrations, indexes: the one-shot jobs, side by side, each with its own log."""
        with step("setting up RabbitMQ, PostgreSQL and MongoDB"):
            _all(self._run_job, list(SETUP_JOBS))

    def start_services(self) -> None:
        """As many of each service as the layout says; those beyond the number are stopped."""
        wanted = self.service_names()
        self.stop([name for name in self.running() if name.partition("-")[0] in SERVICES and name not in wanted])
        missing = [name for name in wanted if not self.pid(name)]
        if not missing:
            return
        self._require_ports([self._part(name) for name in missing])
        with step(f"starting {', '.join(missing)}"):
            _all(self._finish_start, [self._launch(name) for name in missing])

    def up(self) -> None:
        """Everything: servers, set-up, services. What runs already is left alone."""
        everything = {*SERVERS, *self.service_names()}
        complete = everything <= set(self.running())
        self.start_servers()
        if not complete:
            self.set_up()
        self.start_services()

    def start(self, name: str, *, wait: bool = True) -> None:
        """One part, or all of a service (`command` means every `command-N`), ready when it returns if `wait`."""
        missing = [each for each in self.names(name) if not self.pid(each)]
        self._require_ports([self._part(each) for each in missing])
        parts = [self._launch(each) for each in missing]
        if wait:
            _all(self._finish_start, parts)

    def stop(self, names: Sequence[str]) -> list[str]:
        """Ends these parts gracefully, side by side; gives the names of those that had to be killed."""
        wanted = [(self.pid_file(name), self._part(name).stop_signal) for name in names]
        return [file.stem for file in processes.stop(wanted, GRACE_SECONDS)]

    def down(self) -> None:
        """Services first, then the servers, then Erlang's port mapper."""
        running = self.running()
        for group in (
            [name for name in running if name not in SERVERS],
            [name for name in running if name in SERVERS and name != "epmd"],
            [name for name in running if name == "epmd"],
        ):
            if group:
                with step(f"stopping {', '.join(group)}"):
                    killed = self.stop(group)
                for name in killed:
                    say(f"  {name} did not end in time and was killed")

    def clean(self) -> None:
        """Kills everything, for there is no data to save, and removes it; downloads and stacks of tests stay."""
        processes.stop([(self.pid_file(name), signal.SIGKILL) for name in self.running()], GRACE_SECONDS)
        home = postgres_home(self.layout)
        for folder in (home, self.layout.postgres_fallback):
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("run", "log", "secrets", "rabbitmq", "mongodb"):
            shutil.rmtree(self.layout.state / name, ignore_errors=True)
        for name in ("env", "stack.json", "lock"):
            (self.layout.state / name).unlink(missing_ok=True)

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to a part and all its processes; for SIGKILL, returns when it is gone."""
        for each in self.names(name):
            pid = self.pid(each)
            if pid is None:
                raise StackError(f"{each} is not running")
            processes.send(pid, number)
            if number == signal.SIGKILL:
                processes.wait_gone(self.pid_file(each), 10)

    def names(self, name: str) -> list[str]:
        """`command` → every `command-N` of the layout; a full name → itself. Raises StackError for any other."""
        known = [*SERVERS, *self.service_names(), *self.running()]
        if name in SERVICES:
            return [each for each in self.service_names() if each.startswith(f"{name}-")]
        if name not in known:
            raise StackError(f"there is no {name}: choose from {', '.join(dict.fromkeys(known))}")
        return [name]

    def service_names(self) -> list[str]:
        counts = {"command": self.layout.command_replicas, "query": self.layout.query_replicas}
        return [f"{service}-{number}" for service, count in counts.items() for number in range(1, count + 1)]

    def running(self) -> list[str]:
        files = sorted(self.layout.pids.glob("*.json")) if self.layout.pids.exists() else []
        return [file.stem for file in files if processes.running(file)]

    def pid(self, name: str) -> int | None:
        return processes.running(self.pid_file(name))

    def not_ready(self, name: str) -> str | None:
        """None when it serves, else why not."""
        return self._part(name).not_ready() if self.pid(name) else "it is not running"

    def wait_ready(self, name: str, timeout: float = 60.0) -> None:
        """Raises StackError after `timeout` seconds."""
        for each in self.names(name):
            deadline = time.monotonic() + timeout
            part = self._part(each)
            while (reason := part.not_ready()) is not None:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{each} is not ready after {timeout:.0f} s: {reason}", processes.tail(self.log(each))
                    )
                time.sleep(0.1)

    def pid_file(self, name: str) -> Path:
        return self.layout.pids / f"{name}.json"

    def log(self, name: str) -> Path:
        return self.layout.logs / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """So that two commands on the same stack take turns."""
        self.layout.state.mkdir(parents=True, exist_ok=True)
        with (self.layout.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("  another command works on this stack: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _part(self, name: str) -> Part:
        service, _, replica = name.partition("-")
        return SERVICES[service](self.layout, int(replica)) if service in SERVICES else SERVERS[name](self.layout)

    def _require_ports(self, parts: Sequence[Part]) -> None:
        require_free({port: purpose for part in parts for port, purpose in part.ports.items()}, self.layout.port_base)

    def _launch(self, name: str) -> Part:
        if name in PREPARE:
            PREPARE[name](self.layout)
        part = self._part(name)
        processes.start(part.argv, env=part.env, cwd=ROOT, pid_file=self.pid_file(name), log=self.log(name))
        return part

    def _finish_start(self, part: Part) -> None:
        """Waits until the part serves; raises StackError with the end of its log when it dies or takes too long."""
        log = self.log(part.name)
        deadline = time.monotonic() + part.start_timeout
        while (reason := part.not_ready()) is not None:
            if self.pid(part.name) is None:
                raise StackError(f"{part.title} ended while it started: see {log}", processes.tail(log))
            if time.monotonic() > deadline:
                problem = f"{part.title} is not ready after {part.start_timeout:.0f} s ({reason}): see {log}"
                raise StackError(problem, processes.tail(log))
            time.sleep(0.1)
        part.after_start()

    def _run_job(self, module: str) -> None:
        log = self.log(f"setup-{module}")
        with log.open("wb") as output:
            done = subprocess.run(
                [str(self.layout.python), "-m", module],
                env=setup_environment(self.layout),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if done.returncode != 0:
            raise StackError(f"setting up failed ({SETUP_JOBS[module]}): see {log}", processes.tail(log))


def _all(action: Callable[[T], None], items: Sequence[T]) -> None:
    """Side by side; raises the first error once all have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        for done in [pool.submit(action, item) for item in items]:
            done.result()
