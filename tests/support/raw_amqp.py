"""Publishes what client libraries refuse to: frames made by hand, over a plain socket."""

import asyncio
import struct
from types import TracebackType
from typing import Final, Self

from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.header import ProtocolHeader
from yarl import URL

BASIC: Final = 60
CHANNEL: Final = 1
BODY_PIECE: Final = 100_000

CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE = 0x8000, 0x4000, 0x2000, 0x1000
PRIORITY, CORRELATION_ID, REPLY_TO, EXPIRATION = 0x0800, 0x0400, 0x0200, 0x0100
MESSAGE_ID, TIMESTAMP, TYPE, USER_ID = 0x0080, 0x0040, 0x0020, 0x0010


def short(text: bytes) -> bytes:
    """A short string of AMQP: at most 255 bytes, of any kind."""
    return bytes((len(text),)) + text


def table(fields: bytes) -> bytes:
    """A table (or, after the type `A`, an array) of encoded fields."""
    return struct.pack(">I", len(fields)) + fields


def nested(kind: bytes, levels: int) -> bytes:
    """A headers property, `levels` deep: `kind` is b"F" for tables, b"A" for arrays."""
    data = b""
    for _ in range(levels):
        data = (b"\x01k" if kind == b"F" else b"") + kind + table(data)
    return table(data if kind == b"F" else b"\x01k" + data)


class RawPublisher:
    """`async with RawPublisher(url) as raw: await raw.publish("commands", b"alice", TIMESTAMP, b"\\xff" * 8, b"{}")`.

    Raises ConnectionError when the broker hangs up.
    """

    def __init__(self, url: str) -> None:
        self._url = URL(url)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._url.host, self._url.port or 5672)
        self._writer.write(ProtocolHeader().marshal())
        await self._expect(commands.Connection.Start)
        login = f"\0{self._url.user}\0{self._url.password}"
        self._send(commands.Connection.StartOk(client_properties={}, mechanism="PLAIN", response=login), 0)
        tune = await self._expect(commands.Connection.Tune)
        assert isinstance(tune, commands.Connection.Tune)
        self._send(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0)
        self._send(commands.Connection.Open(virtual_host=self._url.path.removeprefix("/") or "/"), 0)
        await self._expect(commands.Connection.OpenOk)
        self._send(commands.Channel.Open(), CHANNEL)
        await self._expect(commands.Channel.OpenOk)
        self._send(commands.Confirm.Select(), CHANNEL)
        await self._expect(commands.Confirm.SelectOk)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def publish(
        self, exchange: str, routing_key: bytes, flags: int = 0, properties: bytes = b"", body: bytes = b""
    ) -> None:
        """Publishes and waits for the confirm.

        `properties` are the encoded values of those that `flags` name, in AMQP's order.
        """
        method = struct.pack(">HHH", BASIC, 40, 0) + short(exchange.encode()) + short(routing_key) + b"\x00"
        header = struct.pack(">HHQH", BASIC, 0, len(body), flags) + properties
        pieces = [body[start : start + BODY_PIECE] for start in range(0, len(body), BODY_PIECE)]
        for kind, payload in ((1, method), (2, header), *((3, piece) for piece in pieces)):
            self._writer.write(struct.pack(">BHI", kind, CHANNEL, len(payload)) + payload + b"\xce")
        await self._expect(commands.Basic.Ack)

    def _send(self, method: Frame, channel: int) -> None:
        self._writer.write(frame.marshal(method, channel))

    async def _expect(self, kind: type[Frame]) -> Frame:
        try:
            prefix = await self._reader.readexactly(7)
            rest = await self._reader.readexactly(struct.unpack(">I", prefix[3:])[0] + 1)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the broker hung up") from error
        _, _, decoded = frame.unmarshal(prefix + rest)
        if not isinstance(decoded, kind):
            raise ConnectionError(
                f"the broker sent {decoded.name} {dict(decoded) if isinstance(decoded, Frame) else ''}"
            )
        return decoded
