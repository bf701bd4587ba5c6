"""A message that could not be processed, in a form that any store can hold and that can be sent again."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.messaging.envelope import Delivery

HANDLER_FAILED = "handler_failed"
MAX_DETAIL = 2000
MAX_DEPTH = 32
LARGEST_INTEGER = 2**63
OF_ITS_WAY = frozenset(
    {
        # The sender's, new each time that he sends it; `expiration` is taken off by the broker when it dead-letters.
        *("timestamp", "expiration", "traceparent", "tracestate"),
        # The broker's, new with each delivery (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling).
        *("x-delivery-count", "x-acquired-count", "x-death"),
        # Of who sends it to the queue `dead-letters`.
        *("dead-letter-reason", "dead-letter-detail", "dead-letter-queue"),
    }
)
"""Properties and headers in which two deliveries of one message may differ; and `x-first-death-…`, `x-last-death-…`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`reason` is a stable code, `detail` a sentence; `queue` is where it failed, `exchange` and `routing_key` where
    it was published. What JSON lacks stands in `properties` and `headers` as `{"$bytes": base64}` and the like.
    """

    queue: str
    exchange: str
    routing_key: str
    reason: str
    detail: str
    type: str | None
    message_id: str | None
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: bytes
    attempts: int = 1
    fingerprint: bytes = field(init=False)
    """Equal for whatever comes of one message in one queue: its deliveries, before and after others took it over, and
    the same sent again. Over all that a redrive would send, but for what tells of its way; not over the reason, which
    another release of the service may see otherwise.
    """

    def __post_init__(self) -> None:
        properties = {name: value for name, value in self.properties.items() if name not in OF_ITS_WAY}
        headers = {name: value for name, value in self.headers.items() if not is_of_its_way(name)}
        place = [self.queue, self.exchange, self.routing_key]
        head = json.dumps([*place, self.type, self.message_id, properties, headers], sort_keys=True)
        object.__setattr__(self, "fingerprint", hashlib.sha256(head.encode() + b"\0" + self.body).digest())


def dead_letter(
    delivery: Delivery,
    reason: str,
    detail: str,
    *,
    attempts: int = 1,
    queue: str | None = None,
    exchange: str | None = None,
    routing_key: str | None = None,
) -> DeadLetter:
    """The delivery as a dead letter; `queue`, `exchange` and `routing_key` override those it came by."""
    properties = {
        "content_type": delivery.content_type,
        "content_encoding": delivery.content_encoding,
        "correlation_id": delivery.correlation_id,
        "reply_to": delivery.reply_to,
        "expiration": delivery.expiration,
        "timestamp": delivery.timestamp,
        "user_id": delivery.user_id,
    }
    return DeadLetter(
        queue=storable(queue or delivery.queue),
        exchange=storable(delivery.exchange if exchange is None else exchange),
        routing_key=storable(delivery.routing_key if routing_key is None else routing_key),
        reason=storable(reason)[:200],
        detail=storable(detail)[:MAX_DETAIL],
        type=None if delivery.type is None else storable(delivery.type),
        message_id=None if delivery.message_id is None else storable(delivery.message_id),
        properties={key: representable(value) for key, value in properties.items() if value is not None},
        headers=representable(delivery.headers),
        body=delivery.body,
        attempts=attempts,
    )


def is_of_its_way(header: str) -> bool:
    return header in OF_ITS_WAY or header.startswith(("x-first-death-", "x-last-death-"))


def storable(text: str) -> str:
    """The text without what PostgreSQL or UTF-8 can't hold: NUL and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not text.isascii() else text


def representable(value: Any, depth: int = 0) -> Any:
    """A header value as JSON: bytes, times and whatever else JSON lacks become an object with one `$` key."""
    if depth > MAX_DEPTH:
        return {"$truncated": True}
    match value:
        case None | bool():
            return value
        case str():
            return storable(value)
        case int():
            return value if -LARGEST_INTEGER <= value < LARGEST_INTEGER else {"$integer": storable(hex(value))}
        case bytes() | bytearray() | memoryview():
            return {"$bytes": base64.b64encode(bytes(value)).decode()}
        case datetime():
            return {"$time": value.isoformat()}
        case Mapping():
            return {storable(str(key)): representable(item, depth + 1) for key, item in value.items()}
        case Sequence():
            return [representable(item, depth + 1) for item in value]
        case _:  # Decimal, float (NaN and infinities are no JSON)
            return {f"${type(value).__name__.lower()}": storable(str(value))}
