"""A client of RPC, measured: one question after the other, then 64 in flight. Prints what it saw as a line of JSON.

The users to ask for come in BENCH_USERS, separated by spaces; how many questions, in BENCH_SERIAL and BENCH_PARALLEL.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

IN_FLIGHT = 64
WARM_UP = 200
T = TypeVar("T")


async def measured(ask: Callable[[str], Awaitable[None]]) -> None:
    """`ask` returns once the answer is there, and raises when there is none or a wrong one."""
    users, serial, parallel = _plan()
    for _ in range(WARM_UP):
        await ask(next(users))
    seconds = []
    for _ in range(serial):
        began = time.perf_counter()
        await ask(next(users))
        seconds.append(time.perf_counter() - began)

    left = iter(range(parallel))

    async def one_after_the_other() -> None:
        for _ in left:
            await ask(next(users))

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    _tell(seconds, parallel / (time.perf_counter() - began))


def measured_windowed(send: Callable[[str], T], receive: Callable[[T], None]) -> None:
    """For clients without asyncio, whose calls give a future: 64 of them are kept under way."""
    users, serial, parallel = _plan()
    for _ in range(WARM_UP):
        receive(send(next(users)))
    seconds = []
    for _ in range(serial):
        began = time.perf_counter()
        receive(send(next(users)))
        seconds.append(time.perf_counter() - began)

    under_way: deque[T] = deque()
    began = time.perf_counter()
    for _ in range(parallel):
        if len(under_way) == IN_FLIGHT:
            receive(under_way.popleft())
        under_way.append(send(next(users)))
    while under_way:
        receive(under_way.popleft())
    _tell(seconds, parallel / (time.perf_counter() - began))


def _plan() -> tuple["itertools.cycle[str]", int, int]:
    users = itertools.cycle(os.environ["BENCH_USERS"].split())
    return users, int(os.environ["BENCH_SERIAL"]), int(os.environ["BENCH_PARALLEL"])


def _tell(serial_seconds: list[float], rate: float) -> None:
    sys.stdout.write(json.dumps({"serial_seconds": serial_seconds, "rate": rate}) + "\n")
