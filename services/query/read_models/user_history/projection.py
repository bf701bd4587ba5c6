"""How far a user's history goes: `_id` (user_id), `version`, `updated_at`. The history itself is in the entries."""

from services.query.domain_event import DomainEvent
from services.query.read_model import Document


def project(_document: Document | None, event: DomainEvent) -> Document:
    return {"updated_at": event.time}
