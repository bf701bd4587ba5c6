"""A consumer that acknowledges too early."""

from collections.abc import AsyncIterator, Sequence

from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.envelope import Delivery, Receipt


class EagerConsumer(AmqpBatchConsumer):
    """What it hands out is acknowledged already."""

    async def batches(self) -> AsyncIterator[list[Delivery]]:
        async for batch in super().batches():
            await super().ack(batch)
            yield batch

    async def ack(self, deliveries: Sequence[Receipt]) -> None:
        """That has happened."""
