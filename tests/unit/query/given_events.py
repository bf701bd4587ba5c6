"""Events as a test says them: `user_created("alice")`, `renamed("alice", 2, "Al")`."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.query.domain_event import DomainEvent, domain_event
from shared.contracts.cloud_event import CloudEvent
from shared.messaging.envelope import Delivery

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(version: int) -> datetime:
    """The time of an event of this version: as many seconds past noon (and not later than the next one)."""
    return NOON + timedelta(seconds=min(version, 86_400))


def envelope(kind: str, user_id: str, version: int, /, **data: Any) -> CloudEvent:
    return CloudEvent(
        id=UUID(int=version, version=4),
        type=kind,
        subject=f"user/{user_id}",
        time=at(version),
        aggregatetype="user",
        aggregateid=user_id,
        aggregateversion=version,
        position=1000 + version,
        causationid=command_id(user_id, version),
        actor="client",
        data={"user_id": user_id, **data},
    )


def command_id(user_id: str, version: int) -> UUID:
    """The command that caused this version."""
    return UUID(int=(sum(ord(char) * 257**at for at, char in enumerate(user_id)) << 40 | version) % 2**128, version=4)


def event(kind: str, user_id: str, version: int, /, **data: Any) -> DomainEvent:
    return domain_event(envelope(kind, user_id, version, **data))


def created(user_id: str, version: int = 1, *, name: str = "Alice", email: str | None = None) -> DomainEvent:
    return event("UserCreated", user_id, version, name=name, email=email or f"{user_id}@Example.com")


def email_updated(user_id: str, version: int, new_email: str) -> DomainEvent:
    return event("UserEmailUpdated", user_id, version, old_email="old@example.com", new_email=new_email)


def renamed(user_id: str, version: int, new_name: str) -> DomainEvent:
    return event("UserRenamed", user_id, version, old_name="before", new_name=new_name)


def deactivated(user_id: str, version: int) -> DomainEvent:
    return event("UserDeactivated", user_id, version)


def reactivated(user_id: str, version: int) -> DomainEvent:
    return event("UserReactivated", user_id, version)


def delivery(content: DomainEvent | CloudEvent | bytes | dict[str, Any], **properties: Any) -> Delivery:
    """The message that carries it, on the queue `projections.users`."""
    if isinstance(content, DomainEvent):
        content = content.envelope
    if isinstance(content, CloudEvent):
        properties = {"type": content.type, "message_id": str(content.id), **properties}
        content = content.model_dump_json().encode()
    if isinstance(content, dict):
        content = json.dumps(content).encode()
    plain = Delivery(
        queue="projections.users",
        session=1,
        delivery_tag=1,
        redelivered=False,
        exchange="events",
        routing_key="user.Any",
        body=content,
    )
    return replace(plain, **properties)
