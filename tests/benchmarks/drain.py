"""A drain: commands wait in the queues, then they are worked off, until MongoDB has them all in every read model.

The clock runs from the moment the work on the first command began (its inbox row carries it) to MongoDB's last write
to a read model (its log of operations carries it). So starting processes and connecting is in nobody's time, and
nobody's work is left out: not the first batch, and not the slowest read model.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.benchmarks.commands import Command
from tests.benchmarks.stores import Visibility
from tests.benchmarks.system import System
from tests.benchmarks.usage import usage

LOOK_SECONDS = 0.2
Progress = Callable[[str, int, int], None]


class StalledError(Exception):
    """Nothing has moved for a while, or the drain took too long."""


@dataclass(frozen=True)
class Drained:
    """`cpu_ms` is per command, by process; `rss_mb` is at the end."""

    system: str
    commands: int
    seconds: float
    cpu_ms: Mapping[str, float]
    rss_mb: Mapping[str, float]

    @property
    def rate(self) -> float:
        return self.commands / self.seconds

    @property
    def total_cpu_ms(self) -> float:
        return sum(self.cpu_ms.values())


async def drain(
    system: System,
    commands: Sequence[Command],
    progress: Progress = lambda *_: None,
    *,
    at_work: Callable[[], None] = lambda: None,
    limit: float = 1200.0,
    stall: float = 60.0,
) -> Drained:
    """Leaves both sides running. `at_work` is called when the first command has been handled.

    Raises StalledError after `stall` seconds in which neither store has moved, and after `limit` seconds.
    """
    stores = system.stores
    await system.stop(only_commands=True)
    await system.start_queries()
    progress(f"{system.name}: loading", 0, len(commands))
    await system.load(commands)
    watched = await system.watched()
    models = {each.collection for each in watched} | {each.collection for each in system.counted}
    visibility = Visibility(stores, watched, system.counted, commands)
    await visibility.begin()
    before, began, deadline = await stores.handled(), datetime.now(UTC), time.monotonic() + limit
    await system.start_commands(wait=False)
    while await stores.handled() == before:
        if time.monotonic() > deadline:
            raise StalledError(f"{system.name}: the first command was not handled within {limit:.0f} s")
        await asyncio.sleep(0.01)
    at_work()
    first = usage(system.pids())
    seen, moved = (0, began), time.monotonic()
    while True:
        last = usage(system.pids())
        if await visibility.complete():
            break
        handled = await stores.handled() - before
        now = (handled, await stores.last_written_at(began, models) or began)
        if now != seen:
            seen, moved = now, time.monotonic()
        progress(f"{system.name}: draining", handled, len(commands))
        if time.monotonic() > min(deadline, moved + stall):
            await visibility.look_through()
            raise StalledError(f"{system.name}: {handled} of {len(commands)} handled, missing: {visibility.missing()}")
        await asyncio.sleep(LOOK_SECONDS)
    written = await stores.last_written_at(began, models)
    assert written is not None
    seconds = (written - await stores.first_handled_at(began)).total_seconds()
    cpu = last.cpu_since(first)
    cpu_ms = {name: spent / len(commands) * 1000 for name, spent in cpu.items()}
    return Drained(system.name, len(commands), seconds, cpu_ms, last.rss_mb)
