"""Deliveries as a broker would hand them over."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from shared.messaging.envelope import Delivery

ALICE = {"user_id": "alice", "name": "Alice", "email": "alice@example.com"}
SOME_ID = UUID("0192f0c1-2d3e-7a4b-8c5d-100000000001")


def delivery(body: bytes | Mapping[str, Any] = ALICE, **properties: Any) -> Delivery:
    """A `CreateUser` of Alice with an id of its own, unless the properties say otherwise."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(
        **{
            "queue": "commands.0",
            "session": 1,
            "delivery_tag": 1,
            "redelivered": False,
            "exchange": "commands",
            "routing_key": "alice",
            "body": raw,
            "type": "CreateUser",
            "message_id": str(uuid4()),
            **properties,
        }
    )
