"""A message as aiormq read it, as the Delivery that services see."""

import time
from typing import Final

from aiormq.abc import DeliveredMessage

from shared.messaging.envelope import NO_HEADERS, Delivery
from shared.messaging.undecodable import MARKER

NO_TAG: Final = 0


def delivery_of(message: DeliveredMessage, *, queue: str, session: int) -> Delivery:
    """The delivery of a message that came from `queue` on channel number `session`."""
    properties = message.header.properties
    headers = properties.headers or NO_HEADERS
    reason = headers.get(MARKER)
    return Delivery(
        queue=queue,
        session=session,
        delivery_tag=message.delivery_tag or NO_TAG,
        redelivered=bool(message.redelivered),
        exchange=message.exchange or "",
        routing_key=message.routing_key or "",
        body=message.body,
        type=properties.message_type,
        message_id=properties.message_id,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        headers=NO_HEADERS if reason else headers,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        expiration=properties.expiration,
        timestamp=properties.timestamp,
        user_id=properties.user_id,
        undecodable=str(reason) if reason else None,
        received_at=time.monotonic(),
    )
