"""Sends replies through RabbitMQ: best effort, never in the way."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from shared.messaging.broker_errors import unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.frames import publish_frames
from shared.messaging.metrics import MessagingMetrics
from shared.messaging.reply_address import DIRECT_REPLY_TO, direct_reply_node
from shared.messaging.supervised_channel import SupervisedChannel

MAX_PENDING_BYTES: Final = 16 * 1024 * 1024
PROBE_SECONDS: Final = 5.0
CONSUMER: Final = "replies"
NOBODY: Final = "reply.of-a-replier-that-looks-at-its-own-address"

logger = structlog.stdlib.get_logger(__name__)


class AmqpReplier:
    """A Replier (see ports.py): `async with AmqpReplier(connection) as replier: await replier.reply(envelopes)`.

    Never waits: without a connection, or with MAX_PENDING_BYTES not taken by the broker, replies are dropped. So is one
    to a direct reply-to token of another node than ours, on a broker that hangs up on tokens of nodes that it doesn't
    know (before 4.2): it can't be told from a forged one.
    """

    def __init__(self, connection: SupervisedConnection, *, metrics: MessagingMetrics | None = None) -> None:
        self._metrics = metrics or MessagingMetrics()
        self._channel = SupervisedChannel(connection, self, set_up=self._set_up, lost=lambda: None)
        self._node: bytes | None = None
        self._own_token: asyncio.Future[str] | None = None

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.__aexit__(kind, error, trace)

    async def reply(self, replies: Sequence[Envelope]) -> None:
        channel = self._channel.current
        if channel is None or not channel.is_open:
            self._drop("disconnected", len(replies))
        elif not channel.may_publish or channel.pending_bytes > MAX_PENDING_BYTES:
            self._drop("congested", len(replies))
        else:
            frames = [packed for reply in replies if (packed := self._packed(channel, reply))]
            if frames:
                channel.write(b"".join(frames))
                channel.flush()
                self._metrics.replied.inc(len(frames))

    @property
    def trouble(self) -> str | None:
        return self._channel.trouble

    async def _set_up(self, channel: FrameChannel) -> None:
        """Learns the name by which tokens know the node that we are connected to: from a token of our own.

        The broker puts it into a message as it is published, and this one comes back because nobody wants it.
        """
        if not self._channel.connection.hangs_up_on_unknown_nodes:
            self._node = None
            return
        await unless_lost(channel.consume(DIRECT_REPLY_TO, consumer_tag=CONSUMER, no_ack=True))
        self._own_token = asyncio.get_running_loop().create_future()
        unwanted = Envelope(exchange="", routing_key=NOBODY, type="Probe", body=b"", reply_to=DIRECT_REPLY_TO)
        channel.write(publish_frames(channel.number, unwanted, mandatory=True, frame_max=channel.frame_max))
        async with asyncio.timeout(PROBE_SECONDS):
            self._node = direct_reply_node(await self._own_token)

    def _packed(self, channel: FrameChannel, reply: Envelope) -> bytes | None:
        if self._node is not None and direct_reply_node(reply.routing_key) not in (None, self._node):
            self._drop("unknown_node", 1)
            return None
        try:
            # A direct reply would be delivered and returned as well.
            mandatory = direct_reply_node(reply.routing_key) is None
            return publish_frames(channel.number, reply, mandatory=mandatory, frame_max=channel.frame_max)
        except ValueError:
            logger.exception("a reply can't be encoded", type=reply.type, message_id=reply.message_id)
            self._drop("unencodable", 1)
            return None

    def _drop(self, reason: str, number: int) -> None:
        self._metrics.replies_dropped.labels(reason).inc(number)

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """Nothing is consumed here."""

    def on_return(self, message: Delivery) -> None:
        if message.routing_key != NOBODY:
            self._drop("unroutable", 1)
        elif self._own_token is not None and not self._own_token.done():
            self._own_token.set_result(message.reply_to or "")

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Replies are not confirmed."""

    def on_cancel(self, consumer_tag: str) -> None:
        """Nothing is consumed here."""
