import asyncio
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp import commands, frame, header

from shared.messaging.transport import FrameGuard
from shared.messaging.undecodable import MARKER, undecodable_reason


def properties(flags: int, data: bytes) -> bytes:
    """A content header frame's payload."""
    return struct.pack(">HHQH", 60, 0, 5, flags) + data


def table(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def nested_tables(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = b"\x01kF" + table(data)
    return data


def nested_arrays(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = b"A" + table(data)
    return b"\x01k" + data


def readable(**values: Any) -> bytes:
    content = header.ContentHeader(body_size=5, properties=commands.Basic.Properties(**values))
    return content.marshal()


HEADERS, CORRELATION_ID, REPLY_TO, TIMESTAMP, TYPE = 0x2000, 0x0400, 0x0200, 0x0040, 0x0020
UNREADABLE = {
    "1 timestamp 2^64-1": properties(TIMESTAMP, b"\xff" * 8),
    "2 timestamp 10^15": properties(TIMESTAMP, struct.pack(">Q", 10**15)),
    "3 bad UTF-8 in correlation_id": properties(CORRELATION_ID, b"\x02\xff\xfe"),
    "4 in type": properties(TYPE, b"\x01\x80"),
    "5 in reply_to": properties(REPLY_TO, b"\x03re\xc3"),
    "6 in a header key": properties(HEADERS, table(b"\x01\xffV")),
    "7 tables 2,000 deep": properties(HEADERS, table(nested_tables(2000))),
    "7 tables 300 deep": properties(HEADERS, table(nested_tables(300))),
    "8 arrays 2,000 deep": properties(HEADERS, table(nested_arrays(2000))),
    "9 a header timestamp out of range": properties(HEADERS, table(b"\x01kT" + b"\xff" * 8)),
    "a field type that does not exist": properties(HEADERS, table(b"\x01k?abc")),
    "our own mark": readable(headers={MARKER: "forged"}),
    "a header of 64 KiB": readable(headers={"k": "x" * 65536}),
}


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_is_noticed(payload: bytes) -> None:
    reason = undecodable_reason(payload)

    assert reason is not None
    assert len(reason) < 100


READABLE = {
    "nothing": properties(0, b""),
    "texts": readable(content_type="application/json", message_id="m", message_type="T", correlation_id="c"),
    "texts beyond ASCII": readable(correlation_id="\u00e9\U0001f600"),
    "a time": readable(timestamp=datetime(2026, 11, 22, tzinfo=UTC)),
    "13 priority 255": properties(0x0800, b"\xff"),
    "headers": readable(headers={"schema-version": 1, "traceparent": "00-x", "n": {"a": [1, 2.5, None]}}),
}


@pytest.mark.parametrize("payload", READABLE.values(), ids=READABLE.keys())
def test_is_let_through(payload: bytes) -> None:
    assert undecodable_reason(payload) is None


def content(payload: bytes, *, routing_key: bytes = b"alice", channel: int = 3) -> bytes:
    deliver = b"\x00\x3c\x00\x3c" + b"\x02ct" + struct.pack(">Q", 200) + b"\x00" + b"\x01e"
    deliver += bytes((len(routing_key),)) + routing_key
    return b"".join(
        (
            struct.pack(">BHI", 1, channel, len(deliver)) + deliver + b"\xce",
            struct.pack(">BHI", 2, channel, len(payload)) + payload + b"\xce",
            struct.pack(">BHI", 3, channel, 5) + b"hello\xce",
        )
    )


def through_guard(data: bytes, piece: int) -> list[Any]:
    """The frames that aiormq gets to read when `data` arrives in pieces of that size."""
    loop = asyncio.new_event_loop()
    try:
        reader = asyncio.StreamReader(loop=loop)
        guard = FrameGuard(reader, loop=loop)
        for start in range(0, len(data), piece):
            guard.data_received(data[start : start + piece])
        reader.feed_eof()
        arrived = loop.run_until_complete(reader.read())
    finally:
        loop.close()
    frames = []
    while arrived:
        size, _, decoded = frame.unmarshal(arrived)
        frames.append(decoded)
        arrived = arrived[size:]
    return frames


@pytest.mark.parametrize("piece", [1, 7, 8, 100, 100_000])
def test_only_the_unreadable_frame_is_replaced(piece: int) -> None:
    good = content(readable(message_id="good"))
    bad = content(UNREADABLE["1 timestamp 2^64-1"])

    frames = through_guard(good + bad + good, piece)

    headers = [decoded for decoded in frames if isinstance(decoded, header.ContentHeader)]
    assert len(frames) == 9
    assert [decoded.properties.message_id for decoded in headers] == ["good", None, "good"]
    assert [decoded.body_size for decoded in headers] == [5, 5, 5]
    assert list(headers[1].properties.headers or {}) == [MARKER]


def test_a_routing_key_that_is_not_utf8_makes_the_message_undecodable() -> None:
    deliver, content_header, _ = through_guard(content(readable(message_id="m"), routing_key=b"al\xffce"), 1000)

    assert deliver.routing_key == "al?ce"
    assert deliver.delivery_tag == 200
    assert list(content_header.properties.headers) == [MARKER]


def test_a_long_routing_key_is_not_mistaken_for_a_bad_one() -> None:
    deliver, content_header, _ = through_guard(content(readable(message_id="m"), routing_key=b"k" * 255), 1000)

    assert deliver.routing_key == "k" * 255
    assert content_header.properties.message_id == "m"


def test_a_broker_of_another_version_is_passed_on() -> None:
    frames = through_guard(b"AMQP\x00\x00\x09\x01", 3)

    assert isinstance(frames[0], header.ProtocolHeader)


def test_a_blocked_connection_is_noticed_until_it_is_unblocked_or_lost() -> None:
    loop = asyncio.new_event_loop()
    try:
        guard = FrameGuard(asyncio.StreamReader(loop=loop), loop=loop)
        guard.data_received(frame.marshal(commands.Connection.Blocked(reason="low on memory"), 0))
        assert not guard.unblocked.is_set()
        guard.data_received(frame.marshal(commands.Connection.Unblocked(), 0))
        assert guard.unblocked.is_set()
        guard.data_received(frame.marshal(commands.Connection.Blocked(reason="low on disk"), 0))
        guard.connection_lost(None)
        assert guard.unblocked.is_set()
    finally:
        loop.close()


def test_why_the_broker_refused_is_kept() -> None:
    loop = asyncio.new_event_loop()
    try:
        guard = FrameGuard(asyncio.StreamReader(loop=loop), loop=loop)
        refusal = commands.Connection.Close(530, "NOT_ALLOWED - vhost x not found", 0, 0)
        guard.data_received(frame.marshal(refusal, 0))
    finally:
        loop.close()

    assert (guard.close_code, guard.close_text) == (530, "NOT_ALLOWED - vhost x not found")
