"""What of a user is counted: `_id` (user_id), `version` (the events up to it are), `active`. The counters are apart."""

from services.query.domain_event import DomainEvent
from services.query.read_model import Document
from shared.contracts.events import UserCreated, UserDeactivated, UserReactivated


def project(document: Document | None, event: DomainEvent) -> Document:
    match event.data:
        case UserCreated() | UserReactivated():
            return {"active": True}
        case UserDeactivated():
            return {"active": False}
        case _:
            return document or {}
