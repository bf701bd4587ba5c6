"""The proxy does to connections what each of its faults says, or a chaos run proves nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.tcp_proxy import TcpProxy

SOON = 0.3


@asynccontextmanager
async def proxied_echo() -> AsyncIterator[TcpProxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        async with TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
            yield proxy
    finally:
        server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def echoed(self, seconds: float = 5.0) -> bytes:
        """What comes back of b"x" (b"" when the connection ends). Raises TimeoutError, ConnectionError."""
        self._writer.write(b"x")
        async with asyncio.timeout(seconds):
            return await self._reader.read(1)


@asynccontextmanager
async def client_of(proxy: TcpProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def is_cut(client: Client) -> bool:
    try:
        return await client.echoed() == b""
    except ConnectionError:
        return True


async def test_without_a_fault_everything_passes() -> None:
    async with proxied_echo() as proxy, client_of(proxy) as client:
        assert [await client.echoed(), await client.echoed()] == [b"x", b"x"]


async def test_cut_ends_connections_and_refuses_new_ones_until_healed() -> None:
    async with proxied_echo() as proxy, client_of(proxy) as old:
        await old.echoed()
        proxy.cut()
        assert await is_cut(old)
        async with client_of(proxy) as refused:
            assert await is_cut(refused)
        proxy.heal()
        async with client_of(proxy) as new:
            assert await new.echoed() == b"x"


async def test_a_black_hole_holds_everything_back_and_lets_it_arrive_late() -> None:
    async with proxied_echo() as proxy, client_of(proxy) as client:
        await client.echoed()
        proxy.black_hole()
        with pytest.raises(TimeoutError):
            await client.echoed(SOON)
        proxy.heal()
        assert await client.echoed() == b"x"


async def test_latency_delays_each_direction() -> None:
    async with proxied_echo() as proxy, client_of(proxy) as client:
        await client.echoed()
        proxy.delay(SOON)
        began = asyncio.get_running_loop().time()
        assert await client.echoed() == b"x"
        assert asyncio.get_running_loop().time() - began >= 2 * SOON


async def test_half_open_is_silence_for_old_connections_and_nothing_for_new_ones() -> None:
    async with proxied_echo() as proxy, client_of(proxy) as old:
        await old.echoed()
        proxy.half_open()
        with pytest.raises(TimeoutError):
            await old.echoed(SOON)
        async with client_of(proxy) as new:
            assert await new.echoed() == b"x"
        proxy.heal()
        assert await is_cut(old)
