"""Where arrivals wait for the next transaction: the longer the one before takes, the more of them go together."""

import asyncio
from collections import deque
from collections.abc import Sequence

from services.command.pipeline.arrivals import Arrival


class Gathering:
    """A queue that takes and gives many at a time; holds up to twice `batch_size`, so reading runs ahead that far."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._waiting: deque[Arrival] = deque()
        self._changed = asyncio.Condition()
        self._closed = False

    async def put(self, arrivals: Sequence[Arrival]) -> None:
        """Waits while there is a full batch."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < self._batch_size)
            self._waiting.extend(arrivals)
            self._changed.notify_all()

    async def close(self) -> None:
        """No more will come."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self) -> list[Arrival]:
        """Waits for the first and gives what there is, at most `batch_size`; empty when no more will come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
            self._changed.notify_all()
            return batch
