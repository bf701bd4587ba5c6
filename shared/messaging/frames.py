"""The frames that are sent in numbers, packed. <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>"""

import struct
from collections.abc import Sequence
from typing import Any, Final

from pamqp import body, commands, frame, header

from shared.messaging.envelope import Envelope

PERSISTENT: Final = 2
TRANSIENT: Final = 1
FRAME_OVERHEAD: Final = 8

_ACK = struct.Struct(">BHIHHQBB")
_METHOD, _BASIC, _ACK_METHOD, _NACK_METHOD, _END = 1, 60, 80, 120, 0xCE
_SETTLEMENT_SIZE = 13
_MULTIPLE, _REQUEUE = 1, 2


def ack_frame(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """basic.ack; with `multiple`, of this tag and all before it."""
    return _ACK.pack(_METHOD, channel, _SETTLEMENT_SIZE, _BASIC, _ACK_METHOD, tag, multiple, _END)


def requeue_frame(channel: int, tag: int) -> bytes:
    """basic.nack with requeue."""
    return _ACK.pack(_METHOD, channel, _SETTLEMENT_SIZE, _BASIC, _NACK_METHOD, tag, _REQUEUE, _END)


def publish_frames(channel: int, envelope: Envelope, *, mandatory: bool, frame_max: int) -> bytes:
    """basic.publish with its content, in frames of at most `frame_max` bytes.

    Raises ValueError when it can't be encoded: a name over 255 bytes, a header of no AMQP type, headers larger than a
    frame.
    """
    try:
        method = commands.Basic.Publish(
            exchange=envelope.exchange, routing_key=envelope.routing_key, mandatory=mandatory
        )
        content = header.ContentHeader(body_size=len(envelope.body), properties=_properties(envelope))
        packed_header = frame.marshal(content, channel)
        parts = [frame.marshal(method, channel), packed_header]
    except (TypeError, OverflowError, struct.error) as error:
        raise ValueError(f"a message of type {envelope.type!r} can't be encoded: {error}") from error
    if len(packed_header) > frame_max:
        raise ValueError(f"the headers of a message of type {envelope.type!r} are larger than a frame")
    parts.extend(frame.marshal(body.ContentBody(piece), channel) for piece in _pieces(envelope.body, frame_max))
    return b"".join(parts)


def _properties(envelope: Envelope) -> commands.Basic.Properties:
    return commands.Basic.Properties(
        content_type=envelope.content_type,
        content_encoding=envelope.content_encoding,
        headers=_table(envelope.headers) if envelope.headers else None,
        delivery_mode=PERSISTENT if envelope.persistent else TRANSIENT,
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        expiration=None if envelope.expiration_ms is None else str(envelope.expiration_ms),
        message_id=envelope.message_id,
        timestamp=envelope.timestamp,
        message_type=envelope.type or None,
        user_id=envelope.user_id,
    )


def _table(headers: Any) -> dict[str, Any]:
    return dict(headers)


def _pieces(content: bytes, frame_max: int) -> Sequence[bytes]:
    largest = frame_max - FRAME_OVERHEAD
    if len(content) <= largest:
        return (content,) if content else ()
    return [content[start : start + largest] for start in range(0, len(content), largest)]
