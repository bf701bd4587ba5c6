"""A run of the benchmark: its servers, its systems, and what was measured so far."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from deploy.native.stack import NativeStack
from tests.benchmarks.ours import DATABASE, Ours
from tests.benchmarks.peer import Peer
from tests.benchmarks.scale import Scale
from tests.benchmarks.stores import opened
from tests.benchmarks.system import System
from tests.support.stack import servers_admin_urls

MODULES = {
    "naive": "naive",
    "faststream": "faststream_peer",
    "celery": "celery_peer",
    "taskiq": "taskiq_peer",
    "nameko": "nameko_peer",
    "echo": "echo",
}


class Reporter:
    """A line for everything that was measured, and on a terminal a bar for what is being measured; both on stderr."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        self._task = self._progress.add_task("starting", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, what: str, done: int = 0, total: int | None = None) -> None:
        if self._task is not None:
            self._progress.update(self._task, description=what, completed=done, total=total)

    def say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)


@dataclass
class Session:
    servers: NativeStack
    scale: Scale
    reporter: Reporter
    ours: Ours
    ours_with_many: Ours
    """The same services on databases of their own, for a million users."""
    peers: Mapping[str, Peer]
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)
    round: int = 0

    def add(self, name: str, value: float) -> None:
        self.samples[name].append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            self.reporter.say(f"  note: {text}")

    def rotated(self, *systems: System) -> list[System]:
        """Another one begins in each round."""
        first = self.round % len(systems)
        return [*systems[first:], *systems[:first]]

    def label(self, what: str) -> str:
        """Unlike that of any other round."""
        return f"r{self.round}{what}"

    async def quiet(self) -> None:
        """Nothing runs but the servers."""
        systems: list[System] = [self.ours, self.ours_with_many, *self.peers.values()]
        await asyncio.gather(*(system.stop() for system in systems))


def end_as_by_hand() -> None:
    """SIGTERM ends a run as Ctrl-C does: asyncio cancels what is under way, and what it started is stopped.

    An exception raised wherever the program happens to be can leave a connection in a state in which it never closes.
    Ctrl-C is made to mean what it means in the foreground: a job that a script began in the background is deaf to it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@asynccontextmanager
async def session(
    servers: NativeStack, scale: Scale, reporter: Reporter, peers_python: Path | None, logs: Path
) -> AsyncIterator[Session]:
    """On servers that are set up. Without `peers_python` there are no peers."""
    urls = servers_admin_urls(servers)
    async with AsyncExitStack() as stack:

        async def ours(database: str) -> Ours:
            return Ours(servers, await stack.enter_async_context(opened(urls.postgres, urls.mongo, database)))

        peers = {}
        for name, module in MODULES.items() if peers_python else ():
            assert peers_python is not None
            stores = await stack.enter_async_context(opened(urls.postgres, urls.mongo, f"bench_{name}"))
            peers[name] = Peer(name, module, servers, stores, peers_python, logs)
        running = Session(servers, scale, reporter, await ours(DATABASE), await ours(f"{DATABASE}_many"), peers)
        try:
            yield running
        finally:
            await running.quiet()
