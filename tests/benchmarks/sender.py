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


class Sender(RawPublisher):
    """`async with Sender(url) as sender: await sender.send([packed(c) for c in commands])`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._sent = 0
        self._unconfirmed: set[int] = set()

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
            kind, _, size = struct.unpack(">BHI", await self._reader.readexactly(7))
            payload = (await self._reader.readexactly(size + 1))[:-1]
            if kind != 1:
                continue  # content of a returned message
            class_, method = struct.unpack(">HH", payload[:4])
            if (class_, method) != (BASIC, ACK):
                raise ConnectionError(f"the broker sent {class_}.{method} instead of a confirm")
            tag, multiple = struct.unpack(">QB", payload[4:13])
            if multiple & 1:
                self._unconfirmed -= {each for each in self._unconfirmed if each <= tag}
            else:
                self._unconfirmed.discard(tag)

    async def read_confirms(self) -> None:
        """For a task beside `write`: for ever."""
        while True:
            await self.confirmed(0)
            await asyncio.sleep(0.01)


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
