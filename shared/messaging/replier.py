"""Sends replies through RabbitMQ: best effort, never in the way."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog
from aiormq.abc import DeliveredMessage

from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Envelope
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.frames import publish_frames
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.supervised_channel import SupervisedChannel

MAX_PENDING_BYTES: Final = 16 * 1024 * 1024

logger = structlog.stdlib.get_logger(__name__)


class AmqpReplier:
    """A Replier (see ports.py): `async with AmqpReplier(connection) as replier: await replier.reply(envelopes)`.

    Never waits: without a connection, or with MAX_PENDING_BYTES not taken by the broker, replies are dropped.
    """

    def __init__(self, connection: SupervisedConnection, *, metrics: MessagingMetrics | None = None) -> None:
        self._metrics = metrics or MessagingMetrics()
        self._channel = SupervisedChannel(connection, self, set_up=_nothing, lost=lambda: None)

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.__aexit__(kind, error, trace)

    async def reply(self, replies: Sequence[Envelope]) -> None:
        channel = self._channel.current
        if channel is None or channel.is_closed:
            self._drop("disconnected", len(replies))
        elif channel.pending_bytes > MAX_PENDING_BYTES:
            self._drop("congested", len(replies))
        else:
            frames = [packed for reply in replies if (packed := self._packed(channel, reply))]
            if frames:
                channel.write(b"".join(frames))
                self._metrics.replied.inc(len(frames))

    @property
    def trouble(self) -> str | None:
        return self._channel.trouble

    def _packed(self, channel: FrameChannel, reply: Envelope) -> bytes | None:
        try:
            return publish_frames(channel.number, reply, mandatory=False, frame_max=channel.frame_max)
        except ValueError:
            logger.exception("a reply can't be encoded", type=reply.type, message_id=reply.message_id)
            self._drop("unencodable", 1)
            return None

    def _drop(self, reason: str, number: int) -> None:
        self._metrics.replies_dropped.labels(reason).inc(number)

    def on_delivery(self, message: DeliveredMessage) -> None:
        """Nothing is consumed here."""

    def on_return(self, message: DeliveredMessage) -> None:
        """Replies are not mandatory."""

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Replies are not confirmed."""

    def on_cancel(self, consumer_tag: str) -> None:
        """Nothing is consumed here."""


async def _nothing(channel: FrameChannel) -> None:
    """A plain channel will do."""
