"""A TCP proxy of our own that fails on demand: what lies between a service and a server, in our hands."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.support.reply_loss import Heard, ReplyLoss

PIECE = 65536
PIECES_UNDER_WAY = 256


@dataclass(eq=False)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    half_open: bool = False
    heard: Heard | None = None


class TcpProxy:
    """`async with TcpProxy(5432) as proxy:` forwards from `proxy.port` to that port, both on 127.0.0.1.

    One fault at a time; `heal` ends it.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._latency = 0.0
        self._loss: ReplyLoss | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Resets every connection, and every new one at once."""
        self._refusing = True
        for link in self._links:
            _abort(link.client, link.server)

    def black_hole(self) -> None:
        """Connections stay, and new ones are taken, but not a byte passes; what was sent meanwhile arrives late."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Every byte takes that much longer, in each direction."""
        self._latency = seconds

    def half_open(self) -> None:
        """The server sees every connection reset, the client of it nothing at all; new connections work."""
        for link in self._links:
            link.half_open = True
            _abort(link.server)

    def lose_replies(self, loss: ReplyLoss) -> None:
        """Requests arrive and are carried out; instead of the reply that `loss` names, the client sees a reset."""
        self._loss = loss

    def heal(self) -> None:
        """As before; what is still half open is reset, as by the first packet that reaches the server again."""
        self._refusing = False
        self._latency = 0.0
        self._loss = None
        self._flowing.set()
        for link in self._links:
            if link.half_open:
                _abort(link.client)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            if self._refusing:
                return
            await self._flowing.wait()
            with suppress(OSError):
                from_server, link.server = await asyncio.open_connection("127.0.0.1", self._target_port)
                await self._first_of(self._pump(reader, link.server, link), self._pump(from_server, writer, link))
        finally:
            self._links.discard(link)
            _abort(link.client, link.server)

    async def _first_of(self, *pumps: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link) -> None:
        """Returns when the source has ended and all is forwarded; of a half-open link, when the client gives up."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_UNDER_WAY)
        forwarding = asyncio.create_task(self._forward(under_way, sink))
        now = asyncio.get_running_loop().time
        try:
            with suppress(OSError):
                while data := await source.read(PIECE):
                    if self._is_lost(data, link, from_server=sink is link.client):
                        _abort(link.client, link.server)
                        return
                    await under_way.put((now() + self._latency, data))
            if link.half_open and sink is link.client:
                forwarding.cancel()
                await asyncio.Event().wait()  # silence, until the pump of the other direction ends
            await under_way.put((0.0, b""))
            await forwarding
        finally:
            forwarding.cancel()

    def _is_lost(self, data: bytes, link: _Link, *, from_server: bool) -> bool:
        if self._loss is None:
            link.heard = None
            return False
        if link.heard is None:
            link.heard = self._loss.listen()
        if from_server:
            return link.heard.is_lost(data)
        link.heard.asks(data)
        return False

    async def _forward(self, under_way: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - now()))
            await self._flowing.wait()
            if not data:
                return
            with suppress(OSError):  # what is sent to nobody is lost; the reading side notices the end
                sink.write(data)
                await sink.drain()


def _abort(*writers: asyncio.StreamWriter | None) -> None:
    for writer in writers:
        if writer is not None:
            writer.transport.abort()
