"""When what is written goes out."""

import asyncio

from shared.messaging.transport import FrameGuard


class Socket(asyncio.Transport):
    """What the socket was given, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return False


async def test_frames_of_one_turn_go_out_together() -> None:
    guard, socket = _connected()
    guard.send(b"one")
    guard.send(b"two")
    assert socket.writes == []

    await asyncio.sleep(0)

    assert socket.writes == [b"onetwo"]


async def test_what_somebody_waits_for_goes_out_at_once_and_once() -> None:
    guard, socket = _connected()
    guard.send(b"one")
    guard.flush()
    assert socket.writes == [b"one"]

    guard.send(b"two")
    await asyncio.sleep(0)

    assert socket.writes == [b"one", b"two"]


def _connected() -> tuple[FrameGuard, Socket]:
    loop, socket = asyncio.get_running_loop(), Socket()
    guard = FrameGuard(asyncio.StreamReader(loop=loop), loop=loop)
    guard.connection_made(socket)
    return guard, socket
