"""What every process says of itself: CPU, memory, file descriptors, tasks, and how late its event loop runs."""

import asyncio
import sys
from typing import NoReturn

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

LAG_PERIOD_SECONDS = 0.5


def new_registry() -> CollectorRegistry:
    """A registry of one service (tests run several in one process), with the process's own figures in it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    blocks = Gauge(
        "python_allocated_blocks",
        "Blocks of memory that Python objects hold: tells a leak from memory that the allocator keeps after a burst",
        registry=registry,
    )
    blocks.set_function(sys.getallocatedblocks)
    return registry


async def watch_event_loop(registry: CollectorRegistry) -> NoReturn:
    """Measures, until cancelled, how much later than asked for the event loop wakes a sleeper up."""
    lag = Histogram(
        "event_loop_lag_seconds",
        "How late the event loop wakes up a sleeping task",
        buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
        registry=registry,
    )
    tasks = Gauge("event_loop_tasks", "Tasks on the event loop that have not ended", registry=registry)
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_PERIOD_SECONDS
        await asyncio.sleep(LAG_PERIOD_SECONDS)
        lag.observe(max(0.0, loop.time() - due))
        tasks.set(len(asyncio.all_tasks()))
