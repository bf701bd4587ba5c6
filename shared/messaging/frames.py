"""The frames that are sent in numbers, packed. <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pamqp import commands, encode

from shared.messaging.envelope import Envelope

FRAME_OVERHEAD: Final = 8
MAX_SHORT: Final = 255
MAX_ASCII_NAME: Final = 128
"""pamqp cuts longer names of headers."""

_PREFIX = struct.Struct(">BHI")
_ACK = struct.Struct(">BHIHHQBB")
_FLOW_OK = struct.Struct(">BHIHHBB")
_CONTENT = struct.Struct(">BBHIHHQH")  # the end of the method, and the content header up to its flags
_NEXT = struct.Struct(">BBHI")
_TEXT = struct.Struct(">BI")
_LENGTH = struct.Struct(">I")
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_BASIC, _ACK_METHOD, _NACK_METHOD = 60, 80, 120
_CHANNEL, _FLOW_OK_METHOD = 20, 21
_BASIC_PUBLISH = b"\x00\x3c\x00\x28"
_TICKET_SIZE = 2
_SETTLEMENT_SIZE, _FLOW_OK_SIZE, _HEADER_FIXED = 13, 5, 14
_MULTIPLE, _REQUEUE = 1, 2
_MANDATORY = (b"\x00", b"\x01")
_PERSISTENT, _TRANSIENT = b"\x02", b"\x01"
_STRING = b"S"[0]
_SIZES = tuple(bytes((size,)) for size in range(MAX_SHORT + 1))
_LAST = b"\xce"


def ack_frame(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """basic.ack; with `multiple`, of this tag and all before it."""
    return _ACK.pack(_METHOD, channel, _SETTLEMENT_SIZE, _BASIC, _ACK_METHOD, tag, multiple, _END)


def requeue_frame(channel: int, tag: int) -> bytes:
    """basic.nack with requeue."""
    return _ACK.pack(_METHOD, channel, _SETTLEMENT_SIZE, _BASIC, _NACK_METHOD, tag, _REQUEUE, _END)


def flow_ok_frame(channel: int, *, active: bool) -> bytes:
    """channel.flow-ok."""
    return _FLOW_OK.pack(_METHOD, channel, _FLOW_OK_SIZE, _CHANNEL, _FLOW_OK_METHOD, active, _END)


def publish_frames(channel: int, envelope: Envelope, *, mandatory: bool, frame_max: int) -> bytes:
    """basic.publish with its content, in frames of at most `frame_max` bytes.

    Raises ValueError when it can't be encoded: a name over 255 bytes, a header of no AMQP type, headers larger than a
    frame.
    """
    try:
        method = b"".join((_exchange(envelope.exchange), _short(envelope.routing_key), _MANDATORY[mandatory]))
        flags, properties = _properties(envelope)
    except (TypeError, AttributeError, OverflowError, struct.error) as error:
        raise ValueError(f"a message of type {envelope.type!r} can't be encoded: {error}") from error
    content = envelope.body
    size, header_size = len(content), _HEADER_FIXED + len(properties)
    if header_size + FRAME_OVERHEAD > frame_max:
        raise ValueError(f"the headers of a message of type {envelope.type!r} are larger than a frame")
    parts = [
        _PREFIX.pack(_METHOD, channel, len(method)),
        method,
        _CONTENT.pack(_END, _HEADER, channel, header_size, _BASIC, 0, size, flags),
        properties,
    ]
    largest = frame_max - FRAME_OVERHEAD
    for start in range(0, size, largest):
        piece = content if size <= largest else content[start : start + largest]
        parts.append(_NEXT.pack(_END, _BODY, channel, len(piece)))
        parts.append(piece)
    parts.append(_LAST)
    return b"".join(parts)


def _properties(envelope: Envelope) -> tuple[int, bytes]:
    """The flags and the values of the properties, in AMQP's order. An empty text is none."""
    flags, parts = 0x1000, []
    if envelope.content_type:
        flags |= 0x8000
        parts.append(_short(envelope.content_type))
    if envelope.content_encoding:
        flags |= 0x4000
        parts.append(_short(envelope.content_encoding))
    if envelope.headers:
        flags |= 0x2000
        parts.append(_table(envelope.headers))
    parts.append(_PERSISTENT if envelope.persistent else _TRANSIENT)
    if envelope.correlation_id:
        flags |= 0x0400
        parts.append(_short(envelope.correlation_id))
    if envelope.reply_to:
        flags |= 0x0200
        parts.append(_short(envelope.reply_to))
    if envelope.expiration_ms is not None:
        flags |= 0x0100
        parts.append(_short(str(envelope.expiration_ms)))
    if envelope.message_id:
        flags |= 0x0080
        parts.append(_short(envelope.message_id))
    if envelope.timestamp is not None:
        flags |= 0x0040
        parts.append(encode.timestamp(envelope.timestamp))
    if envelope.type:
        flags |= 0x0020
        parts.append(_short(envelope.type))
    if envelope.user_id:
        flags |= 0x0010
        parts.append(_short(envelope.user_id))
    return flags, b"".join(parts)


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > MAX_SHORT:
        raise TypeError(f"a text of {len(encoded)} bytes is over the limit of {MAX_SHORT}")
    return _SIZES[len(encoded)] + encoded


@lru_cache(maxsize=64)
def _exchange(name: str) -> bytes:
    """The method up to the routing key, by pamqp for the sake of its checks. Raises ValueError for a wrong name."""
    method = commands.Basic.Publish(exchange=name)
    return _BASIC_PUBLISH + method.marshal()[: _TICKET_SIZE + 1 + len(name)]


def _table(headers: Mapping[str, Any]) -> bytes:
    """Headers of short names and texts are packed here, others by pamqp."""
    parts = []
    for name, value in sorted(headers.items()):
        if type(value) is not str or len(name) > MAX_ASCII_NAME or not name.isascii():
            return encode.field_table(dict(headers))
        encoded = value.encode()
        parts.append(_SIZES[len(name)] + name.encode() + _TEXT.pack(_STRING, len(encoded)) + encoded)
    packed = b"".join(parts)
    return _LENGTH.pack(len(packed)) + packed
