"""Publishes to RabbitMQ in batches, with confirms."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.ports import PublishFailure


class AmqpPublisher:
    """A Publisher (see ports.py):

    `async with AmqpPublisher(connection) as publisher: results = await publisher.publish(envelopes)`.

    `timeout` (seconds) bounds one `publish`, waiting for a connection included.
    """

    def __init__(
        self, connection: SupervisedConnection, *, timeout: float = 10.0, metrics: MessagingMetrics | None = None
    ) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
        raise NotImplementedError

    @property
    def trouble(self) -> str | None:
        raise NotImplementedError
