"""Runs a service beside the test, and stops it as SIGTERM would."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.command.bootstrap import CommandService

DRAIN_SECONDS = 10.0


@asynccontextmanager
async def running(service: CommandService) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, DRAIN_SECONDS)


async def eventually(condition: Callable[[], Awaitable[object]], timeout: float = 20.0) -> None:
    """Returns when the condition holds; raises AssertionError when it doesn't in time."""
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)
