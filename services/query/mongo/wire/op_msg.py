"""Questions and answers as MongoDB's servers understand them.

<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg>
"""

import struct
from collections.abc import Mapping
from typing import Any, Final

import bson

OP_MSG: Final = 2013
LARGEST_MESSAGE: Final = 48_000_000
_HEADER = struct.Struct("<iiii")
_PREFIX = struct.Struct("<iiiiIB")
_LENGTH = struct.Struct("<i")
_NO_FLAGS, _BODY = 0, 0


class WireProtocolError(Exception):
    """What came is no answer of a MongoDB server to us."""


def packed(request_id: int, command: Mapping[str, Any]) -> bytes:
    """`command` names its database as `$db`."""
    body = bson.encode(command)
    return _PREFIX.pack(_PREFIX.size + len(body), request_id, 0, OP_MSG, _NO_FLAGS, _BODY) + body


class Answers:
    """Takes a stream apart."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The answers that are complete now: to which request, and its BSON document. Raises WireProtocolError."""
        buffer = self._buffer + data if self._buffer else data
        answers: list[tuple[int, bytes]] = []
        position = 0
        while len(buffer) - position >= _HEADER.size:
            length, _, response_to, op_code = _HEADER.unpack_from(buffer, position)
            if op_code != OP_MSG or not _PREFIX.size < length <= LARGEST_MESSAGE:
                raise WireProtocolError(f"a message of {length} bytes with operation code {op_code}")
            if len(buffer) - position < length:
                break
            answers.append((response_to, _body(buffer, position, length)))
            position += length
        self._buffer = buffer[position:]
        return answers


def _body(buffer: bytes, position: int, length: int) -> bytes:
    """An answer has one section, its document: neither checksum nor sequences of documents are sent unasked."""
    *_, flags, kind = _PREFIX.unpack_from(buffer, position)
    begins, ends = position + _PREFIX.size, position + length
    if flags != _NO_FLAGS or kind != _BODY or _LENGTH.unpack_from(buffer, begins)[0] != ends - begins:
        raise WireProtocolError(f"a message with flags {flags} and a section of kind {kind}")
    return buffer[begins:ends]
