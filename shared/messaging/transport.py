"""Opens the socket for aiormq, and looks at every frame that comes in before aiormq does."""

import asyncio
from typing import Any, Final

from aiormq import AMQPConnectionError, TransportFactory
from yarl import URL

from shared.messaging.undecodable import readable_delivery, readable_header, undecodable_reason

METHOD_FRAME: Final = 1
HEADER_FRAME: Final = 2
LARGEST_FRAME_TYPE: Final = 8
FRAME_PREFIX: Final = 7
REFUSALS: Final = (403, 530)
DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 5672
_CLOSE, _BLOCKED, _UNBLOCKED = b"\x00\x0a\x00\x32", b"\x00\x0a\x00\x3c", b"\x00\x0a\x00\x3d"


class GuardedTransport(TransportFactory):
    """What `aiormq.connect(transport_factory=…)` wants; one per connection.

    `guard` is the protocol of the connection made last.
    """

    guard: "FrameGuard | None" = None

    @property
    def refused(self) -> str | None:
        """What the broker said when it refused the user or the virtual host; None when it did not."""
        return self.guard.close_text if self.guard is not None and self.guard.close_code in REFUSALS else None

    @property
    def is_blocked(self) -> bool:
        """Whether the broker has said that it stops reading what is published."""
        return self.guard is not None and not self.guard.unblocked.is_set()

    async def unblocked(self) -> None:
        """Waits while the broker is blocking, and the connection there."""
        if self.guard is not None:
            await self.guard.unblocked.wait()

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = kwargs.pop("ssl_context_provider", None)
        context = await tls.get_context() if url.scheme == "amqps" and tls is not None else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        guard = self.guard = FrameGuard(reader, loop=loop)
        try:
            transport, _ = await loop.create_connection(
                lambda: guard, host=url.host or DEFAULT_HOST, port=url.port or DEFAULT_PORT, ssl=context, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, asyncio.StreamWriter(transport, guard, reader, loop)


class FrameGuard(asyncio.StreamReaderProtocol):
    """Passes on what arrives in whole frames, with what aiormq can't decode replaced (see undecodable.py).

    This is the place where frames of a hot channel can be taken out, never to pass through aiormq at all.
    """

    def __init__(self, reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        # aiormq doesn't tell what a connection.close during the handshake said.
        self.close_code: int | None = None
        self.close_text = ""
        self._rest = b""
        self._unreadable_names: set[int] = set()

    def data_received(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else bytes(data)
        size = len(buffer)
        passed = position = 0
        while size - position >= FRAME_PREFIX:
            kind = buffer[position]
            if kind > LARGEST_FRAME_TYPE:  # "AMQP": the broker speaks another version and hangs up
                position = size
                break
            end = position + FRAME_PREFIX + int.from_bytes(buffer[position + 3 : position + FRAME_PREFIX]) + 1
            if end > size:
                break
            if kind in (METHOD_FRAME, HEADER_FRAME):
                channel = int.from_bytes(buffer[position + 1 : position + 3])
                payload = buffer[position + FRAME_PREFIX : end - 1]
                instead = self._method(channel, payload) if kind == METHOD_FRAME else self._header(channel, payload)
                if instead is not None:
                    super().data_received(buffer[passed:position] + instead)
                    passed = end
            position = end
        if position > passed:
            super().data_received(buffer[passed:position])
        self._rest = buffer[position:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.unblocked.set()
        super().connection_lost(exc)

    def _method(self, channel: int, payload: bytes) -> bytes | None:
        if channel == 0:
            if payload.startswith(_CLOSE):
                self.close_code = int.from_bytes(payload[4:6])
                self.close_text = payload[7 : 7 + payload[6]].decode(errors="replace")
            elif payload.startswith(_BLOCKED):
                self.unblocked.clear()
            elif payload.startswith(_UNBLOCKED):
                self.unblocked.set()
            return None
        readable = readable_delivery(payload)
        if readable is None:
            return None
        self._unreadable_names.add(channel)
        return _frame(METHOD_FRAME, channel, readable)

    def _header(self, channel: int, payload: bytes) -> bytes | None:
        if channel in self._unreadable_names:
            self._unreadable_names.discard(channel)
            return readable_header(channel, payload, "the routing key is not UTF-8")
        reason = undecodable_reason(payload)
        return None if reason is None else readable_header(channel, payload, reason)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"".join((bytes((kind,)), channel.to_bytes(2), len(payload).to_bytes(4), payload, b"\xce"))
