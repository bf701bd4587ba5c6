"""Consumes from RabbitMQ in batches."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery
from shared.messaging.metrics import MessagingMetrics


class AmqpBatchConsumer:
    """A BatchConsumer (see ports.py).

    `async with AmqpBatchConsumer(connection, ["queries"]) as consumer: async for batch in consumer.batches()`.

    `prefetch` messages per queue at most are unacknowledged, which bounds memory. `linger` (seconds) is how long a
    batch waits for more after its first message. Every `check_every` seconds it compares with the broker's own consumer
    count. Leaving the context closes the channel: what is not acknowledged by then is given back, in order.
    """

    def __init__(
        self,
        connection: SupervisedConnection,
        queues: Sequence[str],
        *,
        prefetch: int = 500,
        max_batch: int = 500,
        linger: float = 0.005,
        check_every: float = 5.0,
        metrics: MessagingMetrics | None = None,
    ) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def batches(self) -> AsyncIterator[list[Delivery]]:
        raise NotImplementedError

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        raise NotImplementedError

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        raise NotImplementedError

    def is_current(self, delivery: Delivery) -> bool:
        raise NotImplementedError

    async def stop(self) -> None:
        """Cancels the consumers; `batches()` hands out what has arrived and ends.

        For queues whose order means nothing (queries).
        """
        raise NotImplementedError

    def halt(self) -> None:
        """Ends `batches()` at once: what has arrived and was not handed out is given back when the consumer is closed.

        This is how to stop on SIGTERM where order matters: the broker goes on regarding us as the single active
        consumer until the channel closes, so nobody gets a later message before what we give back. Acknowledging still
        works until then.
        """
        raise NotImplementedError

    @property
    def trouble(self) -> str | None:
        raise NotImplementedError
