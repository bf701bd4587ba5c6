"""The proxy does to connections what each of its faults says, or a chaos run proves nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.reply_loss import ReplyLoss
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

    async def echoed(self, seconds: float = 5.0, sent: bytes = b"x") -> bytes:
        """What comes back of it (b"" when the connection ends). Raises TimeoutError, ConnectionError."""
        self._writer.write(sent)
        async with asyncio.timeout(seconds):
            return await self._reader.read(len(sent))


@asynccontextmanager
async def client_of(proxy: TcpProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def is_cut(client: Client, sent: bytes = b"x") -> bool:
    try:
        return await client.echoed(sent=sent) == b""
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


@asynccontextmanager
async def proxied_store() -> AsyncIterator[tuple[TcpProxy, list[bytes]]]:
    """A server that keeps each request of four bytes, and only then answers `done`."""
    kept: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kept.append(await reader.readexactly(4))
                writer.write(b"done")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        async with TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
            yield proxy, kept
    finally:
        server.close()


async def test_a_lost_reply_is_that_of_a_request_which_was_carried_out() -> None:
    async with proxied_store() as (proxy, kept), client_of(proxy) as client:
        loss = ReplyLoss(re.compile(b"done"))
        proxy.lose_replies(loss)
        assert await is_cut(client, b"save")
        assert (kept, loss.count) == ([b"save"], 1)


async def test_only_as_many_replies_are_lost_as_were_asked_for() -> None:
    async with proxied_store() as (proxy, kept):
        loss = ReplyLoss(re.compile(b"done"), times=2)
        proxy.lose_replies(loss)
        for _ in range(2):
            async with client_of(proxy) as unlucky:
                assert await is_cut(unlucky, b"save")
        async with client_of(proxy) as lucky:
            assert await lucky.echoed(sent=b"save") == b"done"
        assert (kept, loss.count) == ([b"save"] * 3, 2)


async def test_only_the_reply_to_the_request_that_was_named_is_lost() -> None:
    async with proxied_store() as (proxy, kept), client_of(proxy) as client:
        proxy.lose_replies(ReplyLoss(re.compile(b"done"), request=re.compile(b"save")))
        assert await client.echoed(sent=b"read") == b"done"
        assert await is_cut(client, b"save")
        assert kept == [b"read", b"save"]


async def test_healed_no_reply_is_lost_any_more() -> None:
    async with proxied_store() as (proxy, _), client_of(proxy) as client:
        proxy.lose_replies(ReplyLoss(re.compile(b"done")))
        proxy.heal()
        assert await client.echoed(sent=b"save") == b"done"


def test_a_request_and_a_reply_that_come_in_pieces_are_recognised() -> None:
    heard = ReplyLoss(re.compile(b"done"), request=re.compile(b"save")).listen()
    heard.asks(b"sa")
    heard.asks(b"ve, and more")
    assert heard.is_lost(b"done")

    heard = ReplyLoss(re.compile(b"done")).listen()
    assert not heard.is_lost(b"do")
    assert heard.is_lost(b"ne")
