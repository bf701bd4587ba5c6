"""Message properties that aio-pika can't read, found and made readable before it meets them.

AMQP carries more than pamqp decodes: a timestamp past the year 9999, text that is not UTF-8, tables nested thousands
deep. RabbitMQ passes all of it on; pamqp raises, and aiormq then drops the connection with everything in flight on it,
again after every reconnect. So such a frame is replaced by one with empty properties and a header that says why.
"""

import struct
from typing import Any, Final

from pamqp import commands, frame, header

MARKER: Final = "x-undecodable"
MAX_PROPERTY_BYTES: Final = 32 * 1024
MAX_DEPTH: Final = 16

_HEADERS_FLAG, _TIMESTAMP_FLAG, _MORE_FLAGS = 0x2000, 0x0040, 0x0001
_FLAGS_AT, _PROPERTIES_AT = 12, 14
_DELIVER = b"\x00\x3c\x00\x3c"


def undecodable_reason(payload: bytes) -> str | None:
    """Why the properties of a content header frame can't be read; None when they can.

    `payload` is the frame's, without its end.
    """
    if len(payload) > MAX_PROPERTY_BYTES:
        return f"properties of {len(payload)} bytes are over the limit of {MAX_PROPERTY_BYTES}"
    flags = int.from_bytes(payload[_FLAGS_AT:_PROPERTIES_AT])
    if not flags & (_HEADERS_FLAG | _TIMESTAMP_FLAG | _MORE_FLAGS) and payload[_PROPERTIES_AT:].isascii():
        return None  # short texts only: nothing in them can fail
    content = header.ContentHeader()
    try:
        content.unmarshal(payload)
    except UnicodeDecodeError:
        return "a property or header name is not UTF-8"
    except RecursionError:
        return "headers are nested too deep"
    except (OverflowError, OSError, ValueError, struct.error, ArithmeticError):
        return "a property or header has a value out of range"
    headers = content.properties.headers
    if not _is_shallow(headers):
        return "headers are nested too deep"
    return f"header {MARKER} is reserved" if headers and MARKER in headers else None


def readable_header(channel: int, payload: bytes, reason: str) -> bytes:
    """The content header frame to put in the place of one that can't be read:

    the same body size, no properties but the reason.
    """
    content = header.ContentHeader(
        body_size=struct.unpack_from(">Q", payload, 4)[0],
        properties=commands.Basic.Properties(headers={MARKER: reason}),
    )
    return frame.marshal(content, channel)


def readable_delivery(payload: bytes) -> bytes | None:
    """A basic.deliver method's payload with `?` for each byte of its names that is not ASCII; None when all are UTF-8.

    A routing key is the publisher's, and RabbitMQ doesn't look into it.
    """
    if not payload.startswith(_DELIVER):
        return None
    exchange_at = 4 + 1 + payload[4] + 8 + 1
    names = payload[exchange_at:]
    if names.isascii():
        return None
    cut = 1 + names[0]
    exchange, key = names[1:cut], names[cut + 1 :]
    try:
        exchange.decode()
        key.decode()
    except UnicodeDecodeError:
        return b"".join((payload[:exchange_at], names[:1], ascii_only(exchange), names[cut : cut + 1], ascii_only(key)))
    return None


def ascii_only(text: bytes) -> bytes:
    """The text with `?` for each byte that is not ASCII."""
    return bytes(byte if byte < 0x80 else 0x3F for byte in text)


def _is_shallow(headers: object) -> bool:
    level: list[Any] = [headers]
    for _ in range(MAX_DEPTH):
        below = (
            [
                inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, dict | list)
            ]
            if headers
            else []
        )
        if not below:
            return True
        level = below
    return False
