"""A proxy in front of RabbitMQ that knows frames: it lets a test say what the broker says seldom or never."""

import asyncio
import struct
from contextlib import suppress
from typing import Self

from yarl import URL

PROTOCOL_HEADER_SIZE = 8
PREFIX = struct.Struct(">BHI")


class FrameProxy:
    """`async with FrameProxy(url) as proxy:` forwards from `proxy.url` to that broker, frame by frame.

    `heard` are the methods that the client has sent since the last `say`, as class and method id; those in `secret` are
    kept from the broker.
    """

    def __init__(self, url: str, *, secret: frozenset[tuple[int, int]] = frozenset()) -> None:
        self._broker = URL(url)
        self._secret = secret
        self._clients: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Event()
        self._reading.set()
        self.heard: list[tuple[int, int]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=4096)
        self.url = str(self._broker.with_host("127.0.0.1").with_port(self._server.sockets[0].getsockname()[1]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def say(self, frame: bytes) -> None:
        """Tells every client this, between two frames of the broker."""
        self.heard.clear()
        for client in self._clients:
            client.write(frame)

    def stop_reading(self) -> None:
        """Takes nothing more from clients, as a broker does that can't keep up: their sockets fill."""
        self._reading.clear()

    def read_on(self) -> None:
        self._reading.set()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(self._broker.host, self._broker.port)
        pumps = [
            asyncio.create_task(self._to_broker(reader, to_broker)),
            asyncio.create_task(self._to_client(from_broker, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, to_broker):
                end.transport.abort()

    async def _to_broker(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            sink.write(await source.readexactly(PROTOCOL_HEADER_SIZE))
            while True:
                await self._reading.wait()
                kind, payload, frame = await _frame(source)
                if kind == 1:
                    method = struct.unpack_from(">HH", payload)
                    self.heard.append(method)
                    if method in self._secret:
                        continue
                sink.write(frame)
                await sink.drain()

    async def _to_client(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._clients.append(sink)
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    _, _, frame = await _frame(source)
                    sink.write(frame)
                    await sink.drain()
        finally:
            self._clients.remove(sink)


async def _frame(source: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    prefix = await source.readexactly(PREFIX.size)
    kind, _, length = PREFIX.unpack(prefix)
    rest = await source.readexactly(length + 1)
    return kind, rest[:-1], prefix + rest
