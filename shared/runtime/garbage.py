"""When Python looks for garbage that reference counting doesn't free: objects that refer to each other in a circle."""

import asyncio
import gc
from typing import Final, NoReturn

THRESHOLDS: Final = (10_000, 10, 10)
"""Python's own are (700, 10, 10): messages come hundreds at a time, each of a few objects and none in a circle, so
that a batch alone makes it search several times, for a seventh of the CPU of a drain.
"""
EVERY_SECONDS: Final = 20.0


def search_less() -> None:
    """For a service that has started: what it holds by now stays, and is looked at no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def search_regularly(every: float = EVERY_SECONDS) -> NoReturn:
    """Until cancelled. What a lost connection leaves behind has outlived the searches for what is new; the next one
    that looks at everything would come with the millionth object, and memory would grow till then. It takes about
    a millisecond, for what was there at the start is left out.
    """
    while True:
        await asyncio.sleep(every)
        gc.collect()
