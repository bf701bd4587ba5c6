"""A channel of aiormq that hands messages over at once, in order, and writes whole batches."""

import asyncio
from typing import Final, Protocol

import aiormq
from aiormq.abc import ChannelFrame, ConfirmationFrameType, DeliveredMessage
from pamqp import commands
from pamqp.header import ContentHeader

MAX_CHANNEL: Final = 65535
FRAME_BUFFER: Final = 0
"""No bound: the prefetch is one. With a bound the connection's reader waits for a channel that closes under deliveries;
nobody reads the broker's CloseOk then, and the close takes until its timeout.
"""


class ChannelListener(Protocol):
    """What happens on a channel. Called from its reader: quick, and never raising."""

    def on_delivery(self, message: DeliveredMessage) -> None: ...

    def on_return(self, message: DeliveredMessage) -> None:
        """A mandatory message that came back; its confirm is still to come."""

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None: ...

    def on_cancel(self, consumer_tag: str) -> None:
        """The broker cancelled a consumer: its queue is gone, or moved."""


async def open_channel(connection: aiormq.Connection, listener: ChannelListener) -> "FrameChannel":
    """Opens a channel on the connection; `listener` hears what happens on it. Raises what aiormq raises."""
    number = next(number for number in range(1, MAX_CHANNEL) if number not in connection.channels)
    channel = FrameChannel(connection, number, listener)
    connection.channels[number] = channel
    await channel.open()
    return channel


async def ignore(message: DeliveredMessage) -> None:
    """What to give `FrameChannel.basic_consume` as a callback: it never calls one, the listener hears of everything."""


class FrameChannel(aiormq.Channel):
    """aiormq's channel, without a task per delivery and without its bookkeeping of confirms.

    That bookkeeping finds a returned message by its message id alone, and so takes two with the same id for one.
    """

    def __init__(self, connection: aiormq.Connection, number: int, listener: ChannelListener) -> None:
        super().__init__(connection, number, publisher_confirms=False, frame_buffer=FRAME_BUFFER)
        self.frame_max: int = connection.connection_tune.frame_max
        self.pending_bytes = 0
        self._listener = listener
        self._outgoing: list[bytes] = []
        self._flushed: asyncio.Future[None] | None = None
        self._flushing = False
        self.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)

    def write(self, frames: bytes) -> "asyncio.Future[None]":
        """Sends frames after all that were written before, without waiting; `pending_bytes` are not on their way yet.

        The future is done when the socket has taken them and can take more, and fails when the channel closes first.
        Raises ConnectionError when the channel is closed.
        """
        if self.is_closed:
            raise ConnectionError(f"channel {self.number} is closed")
        if self._flushed is None:
            self._flushed = self.create_future()
        self._outgoing.append(frames)
        self.pending_bytes += len(frames)
        if not self._flushing:
            self._flushing = True
            self.create_task(self._flush())
        return self._flushed

    async def _flush(self) -> None:
        try:
            while self._flushed is not None:
                flushed, self._flushed = self._flushed, None
                payload = b"".join(self._outgoing)
                self._outgoing.clear()
                await self.write_queue.put(ChannelFrame(payload=payload, should_close=False, drain_future=flushed))
                await flushed
                self.pending_bytes -= len(payload)
        finally:
            self._flushing = False

    async def _on_deliver_frame(self, frame: commands.Basic.Deliver) -> None:
        self._listener.on_delivery(await self._content(frame))

    async def _on_return_frame(self, frame: commands.Basic.Return) -> None:
        self._listener.on_return(await self._content(frame))

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        self._listener.on_confirm(
            frame.delivery_tag or 0,
            multiple=bool(getattr(frame, "multiple", False)),
            accepted=isinstance(frame, commands.Basic.Ack),
        )

    async def _content(self, frame: commands.Basic.Deliver | commands.Basic.Return) -> DeliveredMessage:
        header = await self._get_frame()
        if not isinstance(header, ContentHeader):
            raise aiormq.InvalidFrameError(header)
        return await self._read_content(frame, header)

    def _cancelled_by_broker(self, frame: commands.Basic.Cancel) -> None:
        self._listener.on_cancel(frame.consumer_tag or "")
