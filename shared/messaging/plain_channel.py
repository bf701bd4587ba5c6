"""A channel on which aiormq reads and writes everything."""

import asyncio

import aiormq
from aiormq.abc import ChannelFrame, ConfirmationFrameType, DeliveredMessage
from pamqp import commands
from pamqp.header import ContentHeader

from shared.messaging.broker_connection import BrokerConnection
from shared.messaging.deliveries import delivery_of
from shared.messaging.frame_channel import ChannelListener, FrameChannel


class PlainChannel(FrameChannel):
    """aiormq's own way, without its task per delivery and without its bookkeeping of confirms.

    That bookkeeping finds a returned message by its message id alone, and so takes two with the same id for one.
    """

    def __init__(self, connection: BrokerConnection, number: int, listener: ChannelListener) -> None:
        super().__init__(connection, number, listener)
        self._session = 0
        self._outgoing: list[bytes] = []
        self._pending_bytes = 0
        self._under_way: asyncio.Future[None] | None = None

    def mark(self, session: int) -> None:
        self._session = session

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    @property
    def is_writable(self) -> bool:
        return super().is_writable and self._under_way is None

    async def writable(self) -> None:
        await super().writable()
        if self._under_way is not None:
            await asyncio.wait({self._under_way})  # shared with others: not to be cancelled with this

    def _send(self, frames: bytes) -> None:
        self._outgoing.append(frames)
        self._pending_bytes += len(frames)
        if self._under_way is None:
            self._under_way = self.create_future()
            self.create_task(self._flush(self._under_way))

    async def _flush(self, flushed: "asyncio.Future[None]") -> None:
        """The future is done when the socket has taken everything, and fails when the channel closes first."""
        while self._outgoing and self.is_open:
            payload = b"".join(self._outgoing)
            self._outgoing.clear()
            drained = self.create_future()
            await self.write_queue.put(ChannelFrame(payload=payload, should_close=False, drain_future=drained))
            await drained
            self._pending_bytes -= len(payload)
        self._under_way = None  # what is left, a closing channel can not send
        if not flushed.done():
            flushed.set_result(None)

    async def _on_deliver_frame(self, frame: commands.Basic.Deliver) -> None:
        queue = self._queues[(frame.consumer_tag or "").encode()]
        self._listener.on_deliveries([delivery_of(await self._content(frame), queue=queue, session=self._session)])

    async def _on_return_frame(self, frame: commands.Basic.Return) -> None:
        self._listener.on_return(delivery_of(await self._content(frame)))

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
