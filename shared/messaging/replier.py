"""Sends replies through RabbitMQ: best effort, never in the way."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.metrics import MessagingMetrics


class AmqpReplier:
    """A Replier (see ports.py): `async with AmqpReplier(connection) as replier: await replier.reply(envelopes)`."""

    def __init__(self, connection: SupervisedConnection, *, metrics: MessagingMetrics | None = None) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def reply(self, replies: Sequence[Envelope]) -> None:
        raise NotImplementedError

    @property
    def trouble(self) -> str | None:
        raise NotImplementedError
