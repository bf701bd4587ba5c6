"""Whoever waits for the broker can be stopped, whatever aiormq makes of its own cancellations."""

import asyncio

import aiormq
import pytest
from aiormq.abc import TaskWrapper

from shared.messaging.broker_errors import unless_lost

REFUSED = aiormq.ChannelPreconditionFailed("PRECONDITION_FAILED")


async def _waiting() -> tuple[TaskWrapper, "asyncio.Task[object]"]:
    """What aiormq waits with, and a task of ours that waits for it."""
    waited_for = TaskWrapper(asyncio.create_task(asyncio.sleep(60)))
    task: asyncio.Task[object] = asyncio.create_task(_await(waited_for))
    await asyncio.sleep(0)
    return waited_for, task


async def _await(waited_for: TaskWrapper) -> object:
    return await unless_lost(waited_for)


async def test_a_task_that_is_cancelled_at_the_moment_the_channel_is_closed_ends() -> None:
    waited_for, task = await _waiting()
    waited_for.throw(REFUSED)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_what_the_broker_said_is_raised_when_nobody_cancelled() -> None:
    waited_for, task = await _waiting()
    waited_for.throw(REFUSED)
    with pytest.raises(aiormq.ChannelPreconditionFailed):
        await task


async def test_a_cancellation_of_aiormq_s_own_is_a_lost_connection() -> None:
    waited_for, task = await _waiting()
    waited_for.cancel()
    with pytest.raises(ConnectionError):
        await task


async def test_cleaning_up_after_a_cancellation_hears_what_the_broker_says() -> None:
    said: list[BaseException] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            waited_for = TaskWrapper(asyncio.create_task(asyncio.sleep(60)))
            asyncio.get_running_loop().call_soon(waited_for.throw, REFUSED)
            try:
                await unless_lost(waited_for)
            except aiormq.ChannelPreconditionFailed as error:
                said.append(error)

    task = asyncio.create_task(cleans_up())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert said == [REFUSED]
    assert task.cancelled()
