"""A connection to RabbitMQ that comes back by itself."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import structlog
from yarl import URL

from shared.messaging.backoff import Backoff
from shared.messaging.broker_connection import BrokerConnection
from shared.messaging.broker_errors import LOST, closing_reason, in_words, is_refusal, unless_lost
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.transport import GuardedTransport
from shared.messaging.transport_path import TransportPath

LASTING_SECONDS: Final = 10.0
FORGIVING_VERSION: Final = [4, 2]
CLOSE_SECONDS: Final = 2.0

logger = structlog.stdlib.get_logger(__name__)


class BrokerRefusedError(Exception):
    """The broker is there and says no: wrong credentials, or a virtual host that is missing or not ours.

    Holds no secret.
    """


class SupervisedConnection:
    """One AMQP connection, made again whenever it is lost.

    `async with SupervisedConnection(url, name="command: consume") as connection:`. Entering makes the first attempt: it
    raises BrokerRefusedError when the broker refuses us, and goes on in the background when there is no broker yet (see
    `trouble`). Consuming, publishing and replying each want a connection of their own. `path` is how messages travel.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        heartbeat_seconds: int = 10,
        connect_timeout: float = 10.0,
        path: TransportPath = TransportPath.FAST,
        backoff: Backoff | None = None,
        metrics: MessagingMetrics | None = None,
    ) -> None:
        self.name = name
        self._url = URL(url).update_query(heartbeat=heartbeat_seconds)
        self._connect_timeout = connect_timeout
        self._path = path
        self._backoff = backoff or Backoff()
        self._metrics = metrics or MessagingMetrics()
        self._transport = GuardedTransport()
        self._current: BrokerConnection | None = None
        self._up = asyncio.Event()
        self._trouble: str | None = "not connected yet"
        self._supervision: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._connect()
        except LOST as error:
            self._failed(error)
        self._supervision = asyncio.create_task(self._supervise(), name=f"connection {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait({self._supervision})
        if self._current is not None:
            with suppress(*LOST):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await unless_lost(self._current.close())
        self._up.clear()

    @property
    def trouble(self) -> str | None:
        """Why there is no connection right now, without secrets; None when there is one."""
        if self._trouble is None and self.blocked:
            return "the broker blocks publishers: a memory or disk alarm"
        return self._trouble

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading what we publish. <https://www.rabbitmq.com/docs/connection-blocked>"""
        return self._up.is_set() and self._transport.is_blocked

    @property
    def hangs_up_on_unknown_nodes(self) -> bool:
        """Whether this broker closes a connection that replies to a token of a node that it doesn't know."""
        version = str((self._current.server_properties or {}).get("version", "")) if self._current is not None else ""
        numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
        return numbers < FORGIVING_VERSION

    async def unblocked(self) -> None:
        """Waits while the broker is blocking; returns at once when there is no connection."""
        if self._up.is_set():
            await self._transport.unblocked()

    async def opened(self) -> BrokerConnection:
        """The connection, waiting for it as long as it takes."""
        while self._current is None:
            await self._up.wait()
        return self._current

    async def _supervise(self) -> None:
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            if self._current is not None:
                since = loop.time()
                self._lost(await closing_reason(self._current))
                if loop.time() - since > LASTING_SECONDS:
                    attempt = 0
            attempt += 1
            await asyncio.sleep(self._backoff.delay(attempt))
            try:
                await self._connect()
            except Exception as error:  # whatever it is, going on trying is the point of this task
                self._failed(error)

    async def _connect(self) -> None:
        fast = self._path is TransportPath.FAST
        self._transport = GuardedTransport()
        connection = BrokerConnection(self._url, self._transport, name=self.name, fast=fast)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await unless_lost(connection.connect())
        except LOST as error:
            if self._transport.refused or is_refusal(error):
                reason = self._transport.refused or in_words(error)
                raise BrokerRefusedError(f"the broker refuses {self._who()}: {reason}") from None
            raise
        self._current = connection
        self._trouble = None
        self._metrics.connected.labels(self.name).inc()
        self._up.set()
        logger.info("connected to the broker", connection=self.name)

    def _failed(self, error: BaseException) -> None:
        trouble = f"no connection to the broker at {self._url.host}:{self._url.port}: {in_words(error)}"
        if trouble != self._trouble:
            logger.warning("can't connect to the broker", connection=self.name, reason=in_words(error))
        self._trouble = trouble
        self._metrics.connection_failures.labels(self.name).inc()

    def _lost(self, reason: str) -> None:
        self._up.clear()
        self._current = None
        self._trouble = f"connection to the broker lost: {reason}"
        self._metrics.connection_failures.labels(self.name).inc()
        logger.warning("connection to the broker lost", connection=self.name, reason=reason)

    def _who(self) -> str:
        return f"user {self._url.user!r} on vhost {self._url.path.removeprefix('/') or '/'!r}"
