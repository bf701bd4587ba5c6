"""A connection to RabbitMQ that comes back by itself."""

from types import TracebackType
from typing import Self

from shared.messaging.backoff import Backoff
from shared.messaging.metrics import MessagingMetrics


class BrokerRefusedError(Exception):
    """The broker is there and says no:

    wrong credentials, or a virtual host that isn't there or isn't ours. Holds no secret.
    """


class SupervisedConnection:
    """One AMQP connection, made again whenever it is lost.

    `async with SupervisedConnection(url, name="command: consume") as connection:`. Entering makes the first attempt: it
    raises BrokerRefusedError when the broker refuses us, and goes on in the background when there is no broker yet (see
    `trouble`). Consuming, publishing and replying each want a connection of their own.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        heartbeat_seconds: int = 10,
        connect_timeout: float = 10.0,
        backoff: Backoff | None = None,
        metrics: MessagingMetrics | None = None,
    ) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    @property
    def trouble(self) -> str | None:
        """Why there is no connection right now, without secrets; None when there is one."""
        raise NotImplementedError
