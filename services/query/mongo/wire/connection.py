"""A connection to a MongoDB server on which one question follows the other, without waiting for answers."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, cast

import bson
from bson.codec_options import CodecOptions
from pymongo.errors import AutoReconnect
from scramp import ScramClient, ScramException

from services.query.mongo.wire.op_msg import Answers, WireProtocolError, packed
from services.query.mongo.wire.server import MECHANISM, Address, Credentials
from services.query.read_model import Document

SILENT_SECONDS: Final = 2.0
"""A server that leaves a question unanswered so long is taken for dead."""
DEFAULT_PORT: Final = 27017
_REQUEST_IDS: Final = 2**31 - 1

Options = CodecOptions[Document]


class RefusedError(Exception):
    """The server let nobody in; the message says why."""


class WireConnection(asyncio.Protocol):
    """`connection = await WireConnection.open(address, credentials)`, then `ask` many times, then `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answers = Answers()
        self._numbers = count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Document], Options]] = {}
        self._heard_at = self._loop.time()
        self._watching: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, address: Address, credentials: Credentials | None, *, name: str) -> "WireConnection":
        """`name` is how the server's log calls it. Raises OSError, AutoReconnect and RefusedError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, address[0], address[1] or DEFAULT_PORT)
        try:
            await connection._greet(name)
            if credentials is not None:
                await connection._log_in(credentials)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, command: Mapping[str, Any], options: Options) -> Document:
        """The server's answer, whatever it says (`ok`). Raises AutoReconnect when there will be none."""
        if self._transport is None or self._transport.is_closing():
            raise AutoReconnect("connection closed")
        number = next(self._numbers) & _REQUEST_IDS
        self._transport.write(packed(number, command))
        answer: asyncio.Future[Document] = self._loop.create_future()
        if not self._waiting:
            self._heard_at = self._loop.time()
        self._waiting[number] = answer, options
        if self._watching is None:
            self._watching = self._loop.call_later(SILENT_SECONDS, self._look)
        return await answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end("connection closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            for number, body in self._answers.feed(bytes(data)):
                answer, options = self._waiting[number]
                if not answer.done():  # else who asked has gone
                    answer.set_result(bson.decode(body, options))
                del self._waiting[number]
        except (WireProtocolError, bson.InvalidBSON, KeyError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end("connection lost" if exc is None else f"connection lost: {exc}")

    def _look(self) -> None:
        """One timer for all questions: whether the server is silent."""
        self._watching = None
        if not self._waiting:
            return
        left = self._heard_at + SILENT_SECONDS - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._watching = self._loop.call_later(left, self._look)

    def _end(self, reason: str) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        waiting, self._waiting = self._waiting, {}
        for answer, _ in waiting.values():
            if not answer.done():
                answer.set_exception(AutoReconnect(reason))

    async def _greet(self, name: str) -> None:
        await self._must({"hello": 1, "client": _client(name), "$db": "admin"})

    async def _log_in(self, credentials: Credentials) -> None:
        """<https://github.com/mongodb/specifications/blob/master/source/auth/auth.md#scram-sha-256>"""
        client = ScramClient([MECHANISM], credentials.user, credentials.password)
        begin = {"saslStart": 1, "mechanism": MECHANISM, "options": {"skipEmptyExchange": True}}
        database = {"$db": credentials.source}
        try:
            first = await self._must({**begin, "payload": client.get_client_first().encode(), **database})
            client.set_server_first(first["payload"].decode())
            proof = client.get_client_final().encode()
            conversation = {"saslContinue": 1, "conversationId": first["conversationId"]}
            final = await self._must({**conversation, "payload": proof, **database})
            client.set_server_final(final["payload"].decode())
        except ScramException as error:
            raise RefusedError(str(error)) from error
        if not final["done"]:
            raise RefusedError("the conversation goes on after its end")

    async def _must(self, command: Mapping[str, Any]) -> Document:
        answer = await self.ask(command, _PLAIN)
        if answer.get("ok") != 1:
            raise RefusedError(str(answer.get("errmsg")))
        return answer


_PLAIN: Final[Options] = CodecOptions()


def _client(name: str) -> Document:
    """Servers log it, and show it in `currentOp`."""
    return {
        "application": {"name": name},
        "driver": {"name": "query-service wire", "version": "1"},
        "os": {"type": "Linux"},
    }
