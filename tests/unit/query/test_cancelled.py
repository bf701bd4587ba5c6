import asyncio

import pytest

from services.query import cancelled as module
from services.query.cancelled import cancelled


async def deaf(times: int) -> None:
    """Goes on however often it is cancelled, up to so many times."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)


async def test_a_task_that_goes_on_is_cancelled_again() -> None:
    task = asyncio.create_task(deaf(3))
    await asyncio.sleep(0)

    await cancelled(task)

    assert task.cancelled()


async def test_whoever_is_cancelled_meanwhile_leaves_no_task_to_itself() -> None:
    task = asyncio.create_task(deaf(5))
    cancelling = asyncio.create_task(cancelled(task))
    await asyncio.sleep(0.015)
    assert not task.done()

    cancelling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelling

    assert task.cancelled()


async def test_what_tasks_end_with_is_nobodys_trouble() -> None:
    async def fail() -> None:
        raise ValueError

    failing = asyncio.create_task(fail())
    await asyncio.wait({failing})

    await cancelled(failing)
