"""A channel of aiormq that hands messages over at once, in order, and writes whole batches."""

import asyncio
from abc import abstractmethod
from typing import Any, Final, Protocol

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp import commands

from shared.messaging.broker_connection import BrokerConnection
from shared.messaging.content_reader import METHOD_FRAME, ContentListener
from shared.messaging.frames import flow_ok_frame

FRAME_BUFFER: Final = 0
"""No bound: the prefetch is one. With a bound the connection's reader waits for a channel that closes under deliveries;
nobody reads the broker's CloseOk then, and the close takes until its timeout.
"""
_FLOW = b"\x00\x14\x00\x14"


class ChannelListener(ContentListener, Protocol):
    """What happens on a channel. Called from its reader: quick, and never raising."""

    def on_cancel(self, consumer_tag: str) -> None:
        """The broker cancelled a consumer: its queue is gone, or moved."""


class FrameChannel(aiormq.Channel):
    """What both paths have in common (see PlainChannel, FastChannel)."""

    def __init__(self, connection: BrokerConnection, number: int, listener: ChannelListener) -> None:
        super().__init__(connection, number, publisher_confirms=False, frame_buffer=FRAME_BUFFER)
        self.frame_max: int = connection.connection_tune.frame_max
        self._listener = listener
        self._guard = connection.guard
        self._queues: dict[bytes, str] = {}  # by consumer tag, those of the past too
        self._may_publish = asyncio.Event()
        self._may_publish.set()
        self._leaving = False
        self.on_consumer_cancel_callbacks.add(self._cancelled_by_broker)
        self._closing.add_done_callback(self._closed)

    def write(self, frames: bytes) -> None:
        """Sends whole frames after all that were written before, without waiting.

        Raises ConnectionError when the channel is closed.
        """
        if not self.is_open:
            raise ConnectionError(f"channel {self.number} is closed")
        self._send(frames)

    def flush(self) -> None:
        """What was written goes out now, and not with what else is written in this turn of the event loop: for when
        somebody waits for it. Where nothing is gathered there is nothing to do.
        """

    def rest(self, seconds: float) -> None:
        """See FrameGuard: of the whole connection."""
        self._guard.rest(seconds)

    @property
    def is_open(self) -> bool:
        """Whether something can be written."""
        return not self.is_closed and not self._leaving

    @property
    def is_writable(self) -> bool:
        """Whether `writable` would return at once."""
        return self._may_publish.is_set()

    async def writable(self) -> None:
        """Waits until the socket takes more, and the broker wants more (channel.flow); or until the channel is gone."""
        await self._may_publish.wait()

    @property
    @abstractmethod
    def pending_bytes(self) -> int:
        """What was written and is not on its way yet."""

    @property
    def may_publish(self) -> bool:
        """Whether the broker has not asked for silence (channel.flow)."""
        return self._may_publish.is_set()

    @abstractmethod
    def mark(self, session: int) -> None:
        """From now on deliveries are of this session."""

    async def consume(self, queue: str, *, consumer_tag: str, no_ack: bool = False) -> None:
        """Deliveries from the queue go to the listener from now on. Raises what aiormq raises."""
        self._queues[consumer_tag.encode()] = queue
        await self.basic_consume(queue, _unused, consumer_tag=consumer_tag, no_ack=no_ack)

    def take(self, kind: int, buffer: bytes, start: int, end: int) -> bool:
        """See FrameTaker. aiormq would take a channel.flow for the answer to what it last asked."""
        if kind != METHOD_FRAME or buffer[start : start + 4] != _FLOW:
            return False
        active = buffer[start + 4] & 1 != 0
        if active:
            self._may_publish.set()
        else:
            self._may_publish.clear()
        self._guard.send(flow_ok_frame(self.number, active=active))
        return True

    def hand_over(self) -> None:
        """See FrameTaker."""

    def end(self) -> None:
        """See FrameTaker. aiormq answers with channel.close-ok before it says that the channel is closed."""
        self._leaving = True

    @abstractmethod
    def _send(self, frames: bytes) -> None: ...

    def _closed(self, _: "asyncio.Future[Any]") -> None:
        self._may_publish.set()

    async def _on_close(self, exc: Any = None) -> None:
        self._leaving = True  # what comes after a channel.close makes the broker close the connection
        await super()._on_close(exc)

    def _cancelled_by_broker(self, frame: commands.Basic.Cancel) -> None:
        self._listener.on_cancel(frame.consumer_tag or "")


async def _unused(message: DeliveredMessage) -> None:
    """aiormq wants a callback; no channel here calls one, the listener hears of everything."""
