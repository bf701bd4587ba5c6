"""An open loop: messages are due at fixed times, whatever becomes of those before.

A latency counts from the time that a message was due, not from when it could be sent: so a sender that is held up, or a
system that makes it wait, shows in every message that came late (Tene's "coordinated omission":
https://github.com/giltene/wrk2).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

PAUSE_SECONDS = 0.005


def due_times(begin: float, rate: float, count: int) -> list[float]:
    """`rate` is per second."""
    return [begin + number / rate for number in range(count)]


def latencies(due: Mapping[str, float], seen: Mapping[str, float], end: float) -> list[float]:
    """Seconds, in the order of `due`. What was not seen by `end` counts as having taken until then."""
    return [seen.get(key, end) - time for key, time in due.items()]


async def send_on_schedule(
    write: Callable[[Sequence[bytes]], None],
    frames: Sequence[bytes],
    due: Sequence[float],
    clock: Callable[[], float],
) -> None:
    """Writes what has become due, together, and nothing before its time.

    It looks every five milliseconds at most: to wake up for each message would cost a tenth of a core that the measured
    system lacks. What it is late by counts against the system.
    """
    sent = 0
    while sent < len(frames):
        now = clock()
        ready = sent
        while ready < len(frames) and due[ready] <= now:
            ready += 1
        if ready > sent:
            write(frames[sent:ready])
            sent = ready
        else:
            await asyncio.sleep(max(due[sent] - now, PAUSE_SECONDS))
