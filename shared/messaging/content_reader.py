"""Reads what a channel gets in numbers, straight from the bytes: deliveries, confirms and returned messages."""

import struct
import time
from collections.abc import Mapping
from typing import Final, Protocol

from shared.messaging.content_header import Values, read_properties
from shared.messaging.envelope import Delivery
from shared.messaging.undecodable import ascii_only

METHOD_FRAME: Final = 1
HEADER_FRAME: Final = 2
BODY_FRAME: Final = 3

_DELIVER, _RETURN = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32"
_ACK, _NACK = b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"
_CONFIRMS = (_ACK, _NACK)
_TAG = struct.Struct(">QB")
_BODY_SIZE = struct.Struct(">Q")
_BODY_SIZE_AT = 4
_CONFIRM = struct.Struct(">QB")
_MULTIPLE = 1


class ContentListener(Protocol):
    """What happens on a channel. Called while the socket is read: quick, and never raising."""

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        """What arrived together, in order."""

    def on_return(self, message: Delivery) -> None:
        """A mandatory message that came back; its confirm is still to come."""

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None: ...


class ContentReader:
    """One per channel. Frames that it doesn't take (`take` is False) are for somebody else.

    `queues` are the names of the queues by consumer tag, `session` is what deliveries are marked with. A method, its
    header and its body may come in any number of pieces, with other channels' frames between them.
    """

    def __init__(
        self,
        listener: ContentListener,
        queues: Mapping[bytes, str],
    ) -> None:
        self.session = 0
        self._listener = listener
        self._queues = queues
        self._arrived: list[Delivery] = []
        self._values: Values | None = None  # of the message that is coming in
        self._returned = False
        self._missing = 0  # bytes of its body
        self._pieces: list[bytes] = []

    def take(self, kind: int, buffer: bytes, start: int, end: int) -> bool:
        """Takes the frame whose payload is `buffer[start:end]`."""
        if kind == METHOD_FRAME:
            return self._method(buffer, start, end)
        if self._values is None:
            return False
        if kind == BODY_FRAME and self._missing:
            self._body(self._values, buffer[start:end])
        elif kind == HEADER_FRAME:
            self._header(self._values, buffer, start, end)
        else:
            return False
        return True

    def end(self) -> None:
        """The channel is gone: what may still come for it means nothing to anybody."""
        self._listener = _Nobody()

    def hand_over(self) -> None:
        """Gives what has been delivered to the listener."""
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._listener.on_deliveries(arrived)

    def _method(self, buffer: bytes, start: int, end: int) -> bool:
        method = buffer[start : start + 4]
        if method == _DELIVER:
            at = start + 5 + buffer[start + 4]
            tag, redelivered = _TAG.unpack_from(buffer, at)
            self._values = _names(buffer, at + 9)
            self._values["queue"] = self._queues[buffer[start + 5 : at]]
            self._values["session"] = self.session
            self._values["delivery_tag"] = tag
            self._values["redelivered"] = redelivered != 0
            self._returned = False
        elif method in _CONFIRMS:
            tag, bits = _CONFIRM.unpack_from(buffer, start + 4)
            self._listener.on_confirm(tag, multiple=bits & _MULTIPLE != 0, accepted=method == _ACK)
        elif method == _RETURN:
            self._values = _names(buffer, start + 7 + buffer[start + 6])
            self._values.update(queue="", session=0, delivery_tag=0, redelivered=False)
            self._returned = True
        else:
            return False
        return True

    def _header(self, values: Values, buffer: bytes, start: int, end: int) -> None:
        if "undecodable" not in values:
            values.update(read_properties(buffer, start, end))
        (self._missing,) = _BODY_SIZE.unpack_from(buffer, start + _BODY_SIZE_AT)
        if not self._missing:
            self._complete(values, b"")

    def _body(self, values: Values, piece: bytes) -> None:
        self._missing -= len(piece)
        if self._missing > 0:
            self._pieces.append(piece)
        elif self._pieces:
            self._pieces.append(piece)
            body = b"".join(self._pieces)
            self._pieces.clear()
            self._complete(values, body)
        else:
            self._complete(values, piece)

    def _complete(self, values: Values, body: bytes) -> None:
        self._values = None
        message = Delivery(body=body, received_at=time.monotonic(), **values)
        if self._returned:
            self._listener.on_return(message)
        else:
            self._arrived.append(message)


class _Nobody:
    def on_deliveries(self, deliveries: list[Delivery]) -> None: ...

    def on_return(self, message: Delivery) -> None: ...

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None: ...


def _names(buffer: bytes, at: int) -> Values:
    """Exchange and routing key, which stand together at the end of a method."""
    cut = at + 1 + buffer[at]
    exchange, key = buffer[at + 1 : cut], buffer[cut + 1 : cut + 1 + buffer[cut]]
    try:
        return {"exchange": exchange.decode(), "routing_key": key.decode()}
    except UnicodeDecodeError:
        return {
            "exchange": ascii_only(exchange).decode(),
            "routing_key": ascii_only(key).decode(),
            "undecodable": "the routing key is not UTF-8",
        }
