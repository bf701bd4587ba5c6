"""Publishes commands with frames packed beforehand, so that the client takes little of the CPU that it measures."""

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Final

from tests.benchmarks.commands import Command
from tests.support.raw_amqp import BASIC, CHANNEL, CONTENT_TYPE, DELIVERY_MODE, MESSAGE_ID, TYPE, RawPublisher, short

ACK: Final = 80
MANDATORY: Final = b"\x01"
WINDOW: Final = 2000
PIECE: Final = 100
READ_EVERY_SECONDS: Final = 0.02
READ_BYTES: Final = 64 * 1024


class Sender(RawPublisher):
    """`async with Sender(url) as sender: await sender.send([packed(c) for c in commands])`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._sent = 0
        self._unconfirmed: set[int] = set()
        self._rest = b""

    def write(self, frames: Sequence[bytes]) -> None:
        """Publishes without waiting; one element is one message."""
        self._unconfirmed.update(range(self._sent + 1, self._sent + 1 + len(frames)))
        self._sent += len(frames)
        self._writer.write(b"".join(frames))

    async def send(self, frames: Sequence[bytes]) -> None:
        """Returns when the broker has confirmed all; raises ConnectionError when it refuses or returns one."""
        for start in range(0, len(frames), PIECE):
            self.write(frames[start : start + PIECE])
            await self.confirmed(WINDOW)
        await self.confirmed(0)

    async def confirmed(self, but: int) -> None:
        """Reads confirms until at most that many are missing."""
        while len(self._unconfirmed) > but:
            await self._read()

    async def read_confirms(self) -> None:
        """For a task beside `write`: for ever, and many at once."""
        while True:
            await asyncio.sleep(READ_EVERY_SECONDS)
            await self._read()

    async def _read(self) -> None:
        """What has come, or what comes next."""
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise ConnectionError("the broker hung up")
        data, start = self._rest + data, 0
        while start + 7 <= len(data):
            kind, _, size = struct.unpack_from(">BHI", data, start)
            if start + 8 + size > len(data):
                break
            if kind == 1:  # else it is content of a returned message
                self._take(data[start + 7 : start + 7 + size])
            start += 8 + size
        self._rest = data[start:]

    def _take(self, method: bytes) -> None:
        if struct.unpack_from(">HH", method) != (BASIC, ACK):
            raise ConnectionError(f"the broker sent {struct.unpack_from('>HH', method)} instead of a confirm")
        tag, multiple = struct.unpack_from(">QB", method, 4)
        if multiple & 1:
            self._unconfirmed -= {each for each in self._unconfirmed if each <= tag}
        else:
            self._unconfirmed.discard(tag)


def packed(command: Command, exchange: str = "commands") -> bytes:
    """The frames of a command, as the wire contract wants it; by the default exchange (""), to the queue `commands`."""
    body = json.dumps(command.body).encode()
    key = command.user_id if exchange else "commands"
    method = struct.pack(">HHH", BASIC, 40, 0) + short(exchange.encode()) + short(key.encode()) + MANDATORY
    flags = CONTENT_TYPE | DELIVERY_MODE | MESSAGE_ID | TYPE
    properties = short(b"application/json") + b"\x02" + short(command.id.encode()) + short(command.type.encode())
    header = struct.pack(">HHQH", BASIC, 0, len(body), flags) + properties
    return b"".join(
        struct.pack(">BHI", kind, CHANNEL, len(payload)) + payload + b"\xce"
        for kind, payload in ((1, method), (2, header), (3, body))
    )
