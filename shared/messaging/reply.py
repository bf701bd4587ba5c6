"""A reply on its way back to whoever asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.messaging.envelope import NO_HEADERS, Delivery, Envelope, HeaderValue
from shared.messaging.reply_address import is_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to say; where to is in the request."""

    type: str
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, HeaderValue] = field(default_factory=lambda: NO_HEADERS)


def addressed(reply: Reply, request: Delivery) -> Envelope | None:
    """The envelope that takes the reply to where the request wants it; None when that is not an allowed address."""
    if not request.reply_to or not is_allowed(request.reply_to):
        return None
    return Envelope(
        exchange="",
        routing_key=request.reply_to,
        type=reply.type,
        body=reply.body,
        content_type=reply.content_type,
        headers=reply.headers,
        correlation_id=request.correlation_id,
        persistent=False,
    )
