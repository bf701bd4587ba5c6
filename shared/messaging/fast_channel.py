"""A channel whose messages don't pass through aiormq."""

import asyncio
from typing import Any

from shared.messaging.broker_connection import BrokerConnection
from shared.messaging.content_reader import ContentReader
from shared.messaging.frame_channel import ChannelListener, FrameChannel


class FastChannel(FrameChannel):
    """Deliveries, returns and confirms are read straight from the socket, and frames written straight to it.

    aiormq keeps the rest: opening and closing, consuming, what the broker cancels, heartbeats.
    """

    def __init__(self, connection: BrokerConnection, number: int, listener: ChannelListener) -> None:
        super().__init__(connection, number, listener)
        self._contents = ContentReader(listener, self._queues)

    def mark(self, session: int) -> None:
        self._contents.session = session

    @property
    def pending_bytes(self) -> int:
        return self._guard.pending_bytes

    @property
    def is_writable(self) -> bool:
        return super().is_writable and self._guard.is_writable

    async def writable(self) -> None:
        await super().writable()
        await self._guard.writable()

    def flush(self) -> None:
        self._guard.flush()

    def take(self, kind: int, buffer: bytes, start: int, end: int) -> bool:
        return self._contents.take(kind, buffer, start, end) or super().take(kind, buffer, start, end)

    def hand_over(self) -> None:
        self._contents.hand_over()

    def _send(self, frames: bytes) -> None:
        self._guard.send(frames)

    def _closed(self, closing: "asyncio.Future[Any]") -> None:
        super()._closed(closing)
        self._contents.end()
