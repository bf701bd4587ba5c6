from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A row of `dead_letters`: one message that failed in one queue, `attempts` times between `first_seen` and
    `last_seen`; reason and detail are those of the last time.

    `queue` is where it failed, `exchange` and `routing_key` where it was published. What JSON lacks stands in
    `properties` and `headers` as `{"$bytes": base64}` and the like (see restoring.py).
    """

    id: int
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
    attempts: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Letters with one reason and type; `attempts` is how often they failed, all together, `oldest` when the first of
    them was first seen, `newest` when one was last seen.
    """

    reason: str
    type: str | None
    count: int
    attempts: int
    oldest: datetime
    newest: datetime
