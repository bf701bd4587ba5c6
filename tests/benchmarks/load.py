"""A steady load: when each command's effect becomes visible, and what it costs.

Visible means that every query answered from then on shows it. Queries read with majority read concern, and a change
stream tells of a document just when a majority has it; so one stream says it of every command, to the moment, where
asking for each would be most of the load. It is read in batches as they come from the server: with an object for each
change the observer took as much CPU as a service.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from bson import decode_all

from tests.benchmarks.commands import Command, creates
from tests.benchmarks.open_loop import due_times, latencies, send_on_schedule
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.sender import packed
from tests.benchmarks.system import Publishing
from tests.benchmarks.usage import usage

WARM_UP_SECONDS = 3.0
PATIENCE_SECONDS = 30.0
ASKED_PER_SECOND = 10
KEPT_UP_SHARE = 0.95
CHANGES: Sequence[Mapping[str, Any]] = [
    {"$changeStream": {}},
    {"$match": {"operationType": {"$ne": "delete"}}},
    {"$project": {"documentKey": 1}},
]


@dataclass(frozen=True)
class Loaded:
    """`missing`: commands whose effect was not visible half a minute after the end; they count as having taken so long.

    `kept_up`: nearly all were visible when the last was sent. `by_query_ms`: of the few that were asked for. `cpu_ms`
    is per command that became visible while they were sent, by process.
    """

    rate: float
    latencies_ms: list[float]
    by_query_ms: list[float]
    missing: int
    kept_up: bool
    cpu_ms: Mapping[str, float]

    def percentile(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)


async def under_load(
    system: Publishing, rate: float, seconds: float, label: str, ask: Callable[[Command], Awaitable[None]] | None = None
) -> Loaded:
    """Both sides must be at work. The first three seconds are not counted. `ask` returns when a query shows the
    command, and is called for ten commands a second, as soon as each is due.
    """
    commands = creates(round(rate * (seconds + WARM_UP_SECONDS)), label)
    frames = [packed(command, system.exchange()) for command in commands]
    clock = asyncio.get_running_loop().time
    seen: dict[str, float] = {}
    users = system.stores.documents[system.users.collection]
    async with system.sender() as sender, await users.aggregate_raw_batches(CHANGES) as batches, _no_pauses():

        async def watch() -> None:
            async for batch in batches:
                now = clock()
                for change in decode_all(cast(bytes, batch)):
                    seen.setdefault(change["documentKey"]["_id"], now)

        watching = [asyncio.create_task(watch()), asyncio.create_task(sender.read_confirms())]
        try:
            begin = clock() + 0.5
            due = due_times(begin, rate, len(commands))
            asking = asyncio.create_task(_ask_for_some(ask, commands, due, rate) if ask else _nothing())
            sending = asyncio.create_task(send_on_schedule(sender.write, frames, due, clock))
            await asyncio.sleep(begin + WARM_UP_SECONDS - clock())
            before = usage(system.pids())
            await sending
            after, sent = usage(system.pids()), clock()
            give_up = clock() + PATIENCE_SECONDS
            while len(seen) < len(commands) and clock() < give_up and not any(task.done() for task in watching):
                await asyncio.sleep(0.05)
            by_query = await asking
        finally:
            for task in watching:
                task.cancel()
            ended = await asyncio.gather(*watching, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    counted = {
        command.user_id: time for command, time in zip(commands, due, strict=True) if time >= begin + WARM_UP_SECONDS
    }
    took = latencies(counted, seen, clock())
    done = sum(begin + WARM_UP_SECONDS <= time <= sent for time in seen.values())
    cpu = {name: spent / max(done, 1) * 1000 for name, spent in after.cpu_since(before).items()}
    kept_up = done >= KEPT_UP_SHARE * rate * seconds
    return Loaded(rate, [1000 * each for each in took], by_query, len(counted.keys() - seen.keys()), kept_up, cpu)


async def _ask_for_some(
    ask: Callable[[Command], Awaitable[None]], commands: Sequence[Command], due: Sequence[float], rate: float
) -> list[float]:
    """Milliseconds from when each was due to the answer that shows it."""
    clock = asyncio.get_running_loop().time

    async def one(number: int) -> float:
        await asyncio.sleep(due[number] - clock())
        await ask(commands[number])
        return 1000 * (clock() - due[number])

    first, step = round(rate * WARM_UP_SECONDS), max(1, round(rate / ASKED_PER_SECOND))
    return await asyncio.gather(*(one(number) for number in range(first, len(commands), step)))


async def _nothing() -> list[float]:
    return []


@asynccontextmanager
async def _no_pauses() -> AsyncIterator[None]:
    """Python's search for circles of garbage stops this process for a tenth of a second: late to send, late to see."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
