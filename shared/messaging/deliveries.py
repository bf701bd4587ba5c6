"""A message as aiormq read it, as the Delivery that services see."""

import time
from typing import Final

from aiormq.abc import DeliveredMessage

from shared.messaging.content_header import delivery_properties
from shared.messaging.envelope import Delivery
from shared.messaging.undecodable import MARKER

NO_TAG: Final = 0


def delivery_of(message: DeliveredMessage, *, queue: str = "", session: int = 0) -> Delivery:
    """The delivery of a message that came from `queue` on channel number `session`, or was returned."""
    properties = delivery_properties(message.header)
    reason = properties["headers"].get(MARKER)
    return Delivery(
        queue=queue,
        session=session,
        delivery_tag=message.delivery_tag or NO_TAG,
        redelivered=bool(message.redelivered),
        exchange=message.exchange or "",
        routing_key=message.routing_key or "",
        body=message.body,
        received_at=time.monotonic(),
        **({"undecodable": str(reason)} if reason else properties),
    )
