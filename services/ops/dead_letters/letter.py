from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A row of `dead_letters`.

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
    """Letters with one reason and type; `oldest` is when the first of them was first seen, `newest` the last one."""

    reason: str
    type: str | None
    count: int
    oldest: datetime
    newest: datetime
