"""The properties of a message that has arrived, as Delivery names them."""

import struct
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from pamqp.header import ContentHeader

from shared.messaging.envelope import NO_HEADERS
from shared.messaging.undecodable import MARKER, MAX_PROPERTY_BYTES, undecodable_reason

Values: TypeAlias = dict[str, Any]
"""Fields of a Delivery by name."""

FLAGS_AT: Final = 12
PROPERTIES_AT: Final = 14
LAST_SECOND: Final = 0xFFFFFFFF
"""What is above is milliseconds to pamqp, and read by it."""

_SHORT, _TABLE, _OCTET, _TIME, _UNKNOWN = range(5)
_PROPERTIES: Final = (
    (0x8000, _SHORT, "content_type"),
    (0x4000, _SHORT, "content_encoding"),
    (0x2000, _TABLE, "headers"),
    (0x1000, _OCTET, ""),  # delivery mode
    (0x0800, _OCTET, ""),  # priority
    (0x0400, _SHORT, "correlation_id"),
    (0x0200, _SHORT, "reply_to"),
    (0x0100, _SHORT, "expiration"),
    (0x0080, _SHORT, "message_id"),
    (0x0040, _TIME, "timestamp"),
    (0x0020, _SHORT, "type"),
    (0x0010, _SHORT, "user_id"),
    (0x0008, _UNKNOWN, "app_id"),
    (0x0004, _UNKNOWN, "cluster_id"),
    (0x0002, _UNKNOWN, "none"),
    (0x0001, _UNKNOWN, "more flags"),
)
_FLAGS = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_SECONDS = struct.Struct(">Q")
_INTEGERS: Final = {
    kind: struct.Struct(layout)
    for kind, layout in zip(b"bBsuIilL", (">b", ">B", ">h", ">H", ">i", ">I", ">q", ">q"), strict=True)
}
_STRING, _BOOLEAN = b"S"[0], b"t"[0]


class _Unusual(Exception):  # noqa: N818  # not an error: pamqp reads it
    """Something that is not worth a fast way, or not right."""


def read_properties(buffer: bytes, start: int, end: int) -> Values:
    """Reads the content header frame whose payload is `buffer[start:end]`; what is not there is left out.

    What can't be read is `undecodable`, and nothing else is there then. Usual properties are read here, and all else,
    with all that is wrong, by pamqp: both ways have one meaning.
    """
    try:
        return _usual(buffer, start, end)
    except (_Unusual, UnicodeDecodeError, struct.error, IndexError):
        return _by_pamqp(buffer[start:end])


def _usual(buffer: bytes, start: int, end: int) -> Values:
    if end - start > MAX_PROPERTY_BYTES:
        raise _Unusual
    values: Values = {}
    at = start + PROPERTIES_AT
    for kind, name in _plan(_FLAGS.unpack_from(buffer, start + FLAGS_AT)[0]):
        if kind == _SHORT:
            after = at + 1 + buffer[at]
            values[name] = buffer[at + 1 : after].decode()
            at = after
        elif kind == _OCTET:
            at += 1
        elif kind == _TABLE:
            after = at + 4 + _LENGTH.unpack_from(buffer, at)[0]
            if after > end:
                raise _Unusual
            headers = _usual_table(buffer, at + 4, after)
            if headers:
                values[name] = headers
            at = after
        elif kind == _TIME:
            seconds = _SECONDS.unpack_from(buffer, at)[0]
            if seconds > LAST_SECOND:
                raise _Unusual
            values[name] = datetime.fromtimestamp(seconds, tz=UTC)
            at += 8
        else:
            raise _Unusual
    if at != end:  # it may have read what belongs to the next frame
        raise _Unusual
    return values


def _usual_table(buffer: bytes, at: int, end: int) -> dict[str, Any]:
    """Texts, whole numbers and truth values."""
    table: dict[str, Any] = {}
    while at < end:
        after = at + 1 + buffer[at]
        name = buffer[at + 1 : after].decode()
        kind = buffer[after]
        at = after + 1
        if kind == _STRING:
            after = at + 4 + _LENGTH.unpack_from(buffer, at)[0]
            table[name] = buffer[at + 4 : after].decode()
        elif (integer := _INTEGERS.get(kind)) is not None:
            after = at + integer.size
            (table[name],) = integer.unpack_from(buffer, at)
        elif kind == _BOOLEAN:
            after = at + 1
            table[name] = buffer[at] != 0
        else:
            raise _Unusual
        at = after
    if at != end or MARKER in table:
        raise _Unusual
    return table


@lru_cache(maxsize=256)
def _plan(flags: int) -> tuple[tuple[int, str], ...]:
    return tuple((kind, name) for flag, kind, name in _PROPERTIES if flags & flag)


def _by_pamqp(payload: bytes) -> Values:
    reason = undecodable_reason(payload)
    if reason is not None:
        return {"undecodable": reason}
    content = ContentHeader()
    try:
        content.unmarshal(payload)
    except (ValueError, struct.error):
        return {"undecodable": "properties are cut short"}
    return delivery_properties(content)


def delivery_properties(content: ContentHeader) -> Values:
    """The properties that pamqp has read."""
    properties = content.properties
    return {
        "type": properties.message_type,
        "message_id": properties.message_id,
        "content_type": properties.content_type,
        "content_encoding": properties.content_encoding,
        "headers": properties.headers or NO_HEADERS,
        "correlation_id": properties.correlation_id,
        "reply_to": properties.reply_to,
        "expiration": properties.expiration,
        "timestamp": properties.timestamp,
        "user_id": properties.user_id,
    }
