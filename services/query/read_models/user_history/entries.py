"""What an event adds to its user's history.

The entry: `_id` (`{user_id, version}`, so that the index on `_id` holds each history in order), `event_id`, `type`,
`time`, `actor`, `causation_id`, `correlation_id`, `changes` (`{field, from, to}` each).
"""

from collections.abc import Sequence
from typing import Any

from services.query.domain_event import DomainEvent
from services.query.read_model import Document, Entry
from shared.contracts.base import Event
from shared.contracts.events import UserCreated, UserDeactivated, UserEmailUpdated, UserReactivated, UserRenamed


def entries(_document: Document | None, event: DomainEvent) -> Sequence[Entry]:
    """One for each event; what one of an unknown type changed is not told."""
    return [
        Entry(
            {
                "_id": key(event.aggregate_id, event.version),
                "event_id": str(event.id),
                "type": event.type,
                "time": event.time,
                "actor": event.actor,
                "causation_id": None if event.causation_id is None else str(event.causation_id),
                "correlation_id": event.correlation_id,
                "changes": [change for change in changes(event.data) if change["from"] != change["to"]],
            }
        )
    ]


def key(user_id: str, version: int) -> dict[str, Any]:
    return {"user_id": user_id, "version": version}


def changes(data: Event | None) -> list[dict[str, Any]]:
    match data:
        case UserCreated():
            return [
                _change("name", None, data.name),
                _change("email", None, data.email),
                _change("status", None, "active"),
            ]
        case UserRenamed():
            return [_change("name", data.old_name, data.new_name)]
        case UserEmailUpdated():
            return [_change("email", data.old_email, data.new_email)]
        case UserDeactivated():
            return [_change("status", "active", "deactivated"), _change("reason", None, data.reason)]
        case UserReactivated():
            return [_change("status", "deactivated", "active")]
        case _:
            return []


def _change(field: str, old: str | None, new: str | None) -> dict[str, Any]:
    return {"field": field, "from": old, "to": new}
