import asyncio
from typing import Any

AGAIN_SECONDS = 0.5


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and returns when they have ended, whatever they ended with.

    Says it again to one that goes on: a library that is interrupted at a bad moment may take it for the end of a
    time-out of its own. Whoever is cancelled in here himself is so once they have ended: none is left to itself.
    """
    interrupted: asyncio.CancelledError | None = None
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError as error:
            interrupted = error
        left = {task for task in left if not task.done()}
    for task in tasks:
        if not task.cancelled():
            task.exception()
    if interrupted is not None:
        raise interrupted
