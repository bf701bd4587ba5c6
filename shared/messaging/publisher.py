"""Publishes to RabbitMQ in batches, with confirms."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from shared.messaging.broker_errors import unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.frames import publish_frames
from shared.messaging.in_flight import InFlight
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.ports import PublishFailure
from shared.messaging.published_batch import PublishedBatch
from shared.messaging.supervised_channel import SupervisedChannel

WRITE_TOGETHER: Final = 100


class AmqpPublisher:
    """A Publisher (see ports.py).

    `async with AmqpPublisher(connection) as publisher: results = await publisher.publish(envelopes)`. `timeout`
    (seconds) bounds one `publish`, waiting for a connection included.
    """

    def __init__(
        self, connection: SupervisedConnection, *, timeout: float = 10.0, metrics: MessagingMetrics | None = None
    ) -> None:
        self._timeout = timeout
        self._metrics = metrics or MessagingMetrics()
        self._in_flight = InFlight()
        self._connection = connection
        self._channel = SupervisedChannel(connection, self, set_up=_confirm_mode, lost=self._in_flight.reset)

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.__aexit__(kind, error, trace)

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
        """See Publisher. Raises ValueError for a message that can't be encoded; none after it is sent then."""
        batch = PublishedBatch(envelopes)
        if envelopes:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._send(batch, envelopes)
                    await batch.done.wait()
            except (TimeoutError, ConnectionError):
                pass
            finally:
                self._in_flight.forget(batch)
        results = batch.results
        self._count(envelopes, results)
        return results

    @property
    def trouble(self) -> str | None:
        return self._channel.trouble

    async def _send(self, batch: PublishedBatch, envelopes: Sequence[Envelope]) -> None:
        await self._connection.unblocked()
        channel = await self._channel.opened()
        for start in range(0, len(envelopes), WRITE_TOGETHER):
            await channel.writable()
            some = envelopes[start : start + WRITE_TOGETHER]
            frames = [
                publish_frames(channel.number, envelope, mandatory=True, frame_max=channel.frame_max)
                for envelope in some
            ]
            channel.write(b"".join(frames))
            self._in_flight.add(batch, range(start, start + len(some)))

    def _count(self, envelopes: Sequence[Envelope], results: Sequence[PublishFailure | None]) -> None:
        exchanges = [envelope.exchange for envelope in envelopes]
        for (exchange, failure), number in Counter(zip(exchanges, results, strict=True)).items():
            if failure is None:
                self._metrics.published.labels(exchange).inc(number)
            else:
                self._metrics.publish_failures.labels(exchange, failure.value).inc(number)

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        self._in_flight.confirm(tag, multiple=multiple, accepted=accepted)

    def on_return(self, message: Delivery) -> None:
        self._in_flight.returned((message.message_id, message.exchange, message.routing_key))

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """Nothing is consumed here."""

    def on_cancel(self, consumer_tag: str) -> None:
        """Nothing is consumed here."""


async def _confirm_mode(channel: FrameChannel) -> None:
    await unless_lost(channel.confirm_delivery())
