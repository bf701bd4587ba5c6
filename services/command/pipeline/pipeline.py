"""The way of a batch through the service: read and check, commit, complete. Three batches are on it at a time."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.completion import Completion
from services.command.pipeline.execution import Execution
from services.command.pipeline.gathering import Gathering
from services.command.pipeline.transaction import Committed
from shared.messaging.envelope import Delivery
from shared.messaging.ports import BatchConsumer

Receive: TypeAlias = Callable[[Delivery], Arrival]


class Pipeline:
    """Each stage takes batches in order, one at a time, so commands of one queue never overtake each other."""

    def __init__(
        self,
        consumer: BatchConsumer,
        receive: Receive,
        execution: Execution,
        completion: Completion,
        *,
        batch_size: int,
    ) -> None:
        self._consumer = consumer
        self._receive = receive
        self._execution = execution
        self._completion = completion
        self._received = Gathering(batch_size)
        self._committed: asyncio.Queue[Committed | None] = asyncio.Queue(1)

    async def run(self) -> None:
        """Until the consumer's batches end and all that were taken are complete. Raises only for a bug."""
        try:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(self._read(), name="read")
                stages.create_task(self._execute(), name="execute")
                stages.create_task(self._complete(), name="complete")
        except* Exception as errors:
            raise errors.exceptions[0] from None

    async def _read(self) -> None:
        async for deliveries in self._consumer.batches():
            await self._received.put([self._receive(delivery) for delivery in deliveries])
        await self._received.close()

    async def _execute(self) -> None:
        while arrivals := await self._received.take():
            async for committed in self._execution.run(arrivals):
                await self._committed.put(committed)
        await self._committed.put(None)

    async def _complete(self) -> None:
        while (committed := await self._committed.get()) is not None:
            await self._completion.run(committed)
