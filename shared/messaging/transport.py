"""Opens the socket for aiormq, and looks at every frame that comes in before aiormq does."""

import asyncio
import struct
from typing import Any, Final, Protocol, cast

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
FLUSH_AT: Final = 256 * 1024
SIGN_OF_LIFE_SECONDS: Final = 1.0
FRAME_END: Final = 0xCE
HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_PREFIX = struct.Struct(">BHI")
_CHANNEL_CLOSED = (b"\x00\x14\x00\x28", b"\x00\x14\x00\x29")
"""Channel.Close and Channel.CloseOk: from now on the number means nothing, until it is used for another channel."""
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


class FrameTaker(Protocol):
    """Takes frames of one channel before aiormq sees them."""

    def take(self, kind: int, buffer: bytes, start: int, end: int) -> bool:
        """Takes the frame whose payload is `buffer[start:end]`, or answers False: then it is aiormq's."""

    def hand_over(self) -> None:
        """All that has arrived so far is taken."""

    def end(self) -> None:
        """The broker has closed the channel: nothing more comes, and nothing more may be sent."""


class FrameGuard(asyncio.StreamReaderProtocol):
    """Between the socket and aiormq: gives each frame to its channel's taker or else to aiormq, and writes in batches.

    What goes to aiormq goes in whole frames, with what it can't decode replaced (see undecodable.py).
    """

    def __init__(self, reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self.takers: dict[int, FrameTaker] = {}  # by channel
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        # aiormq doesn't tell what a connection.close during the handshake said.
        self.close_code: int | None = None
        self.close_text = ""
        self._loop_of = loop
        self._socket: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._resting: asyncio.TimerHandle | None = None
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._rest = b""
        self._unreadable_names: set[int] = set()
        self._passed_at = loop.time()

    @property
    def pending_bytes(self) -> int:
        """What the socket has not taken yet."""
        buffered = 0 if self._socket is None else self._socket.get_write_buffer_size()
        return self._outgoing_bytes + buffered

    def send(self, frames: bytes) -> None:
        """Sends whole frames after all that was sent before, together with what else is sent in this turn of the loop.

        What is sent on a lost connection is lost.
        """
        if not self._outgoing:
            self._loop_of.call_soon(self.flush)
        self._outgoing.append(frames)
        self._outgoing_bytes += len(frames)
        if self._outgoing_bytes > FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Sends now what is gathered."""
        if self._outgoing:
            frames = b"".join(self._outgoing)
            self._outgoing.clear()
            self._outgoing_bytes = 0
            if self._socket is not None and not self._socket.is_closing():
                self._socket.write(frames)

    def rest(self, seconds: float) -> None:
        """Lets what comes in gather in the socket for so long: to be read all at once costs less than one by one."""
        if self._resting is None and self._socket is not None and not self._socket.is_closing():
            self._socket.pause_reading()
            self._resting = self._loop_of.call_later(seconds, self._read_on)

    @property
    def is_writable(self) -> bool:
        """Whether the socket takes more."""
        return self._writable.is_set()

    async def writable(self) -> None:
        """Waits while the socket takes nothing; returns when the connection is lost, too."""
        await self._writable.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writable.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else bytes(data)
        size = len(buffer)
        takers = self.takers
        passed = position = 0  # all before `passed` is taken or passed on
        while size - position >= FRAME_PREFIX:
            kind, channel, length = _PREFIX.unpack_from(buffer, position)
            if kind > LARGEST_FRAME_TYPE:  # "AMQP": the broker speaks another version and hangs up
                position = size
                break
            start = position + FRAME_PREFIX
            end = start + length
            if end >= size:
                break
            taker = takers.get(channel)
            if taker is not None and buffer[end] == FRAME_END and taker.take(kind, buffer, start, end):
                if passed < position:
                    self._pass_on(buffer[passed:position])
                passed = end + 1
            elif (instead := self._instead(kind, channel, buffer, start, end)) is not None:
                self._pass_on(buffer[passed:position] + instead)
                passed = end + 1
            position = end + 1
        if passed < position:
            self._pass_on(buffer[passed:position])
        self._rest = buffer[position:]
        for taker in takers.values():
            taker.hand_over()
        self._show_life()

    def connection_lost(self, exc: Exception | None) -> None:
        self._socket = None
        if self._resting is not None:
            self._resting.cancel()
        self.unblocked.set()
        self._writable.set()
        super().connection_lost(exc)

    def _read_on(self) -> None:
        self._resting = None
        if self._socket is not None and not self._socket.is_closing():
            self._socket.resume_reading()

    def _pass_on(self, frames: bytes) -> None:
        super().data_received(frames)
        self._passed_at = self._loop_of.time()

    def _show_life(self) -> None:
        """aiormq takes a connection for dead on which it sees nothing, and a busy broker sends no heartbeats."""
        if self.takers and self._loop_of.time() - self._passed_at > SIGN_OF_LIFE_SECONDS:
            self._pass_on(HEARTBEAT)

    def _instead(self, kind: int, channel: int, buffer: bytes, start: int, end: int) -> bytes | None:
        """What aiormq gets in the place of this frame; None when it gets the frame itself."""
        if kind == METHOD_FRAME:
            return self._method(channel, buffer[start:end])
        if kind == HEADER_FRAME:
            return self._header(channel, buffer[start:end])
        return None

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
        if payload.startswith(_CHANNEL_CLOSED):
            if (taker := self.takers.pop(channel, None)) is not None:
                taker.hand_over()
                taker.end()
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
