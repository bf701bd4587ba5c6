import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from shared.runtime.background import BackgroundTasks, TaskEndedError


async def run_until_stop(coroutine: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    async with BackgroundTasks(stop) as tasks:
        tasks.start(coroutine, name="relay")
        await asyncio.wait_for(stop.wait(), 1)


async def test_tasks_run_until_stop_and_end_quietly() -> None:
    stop = asyncio.Event()

    async def until_stop() -> None:
        await stop.wait()

    async with BackgroundTasks(stop) as tasks:
        task = tasks.start(until_stop(), name="relay")
        stop.set()
        await task


async def test_a_crash_sets_stop_and_is_raised_at_the_end_with_its_cause() -> None:
    stop = asyncio.Event()

    async def crash() -> None:
        raise KeyError("bug")

    with pytest.raises(TaskEndedError, match="'relay' crashed") as raised:
        await run_until_stop(crash(), stop)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_a_return_before_stop_is_a_failure_too() -> None:
    stop = asyncio.Event()

    async def leave() -> None:
        return

    with pytest.raises(TaskEndedError, match="'relay' ended too early"):
        await run_until_stop(leave(), stop)


async def test_what_still_runs_at_the_end_is_cancelled() -> None:
    stop = asyncio.Event()
    async with BackgroundTasks(stop) as tasks:
        task = tasks.start(asyncio.sleep(60), name="sleeper")
        await asyncio.sleep(0)
    assert task.cancelled()
