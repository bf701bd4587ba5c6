"""What each event makes of a user's document.

The document: `_id` (user_id), `version`, `name`, `name_key`, `email`, `email_key`, `status`, `created_at`,
`updated_at`. One without `status` is nobody's account (an erased user, or one of whom only unknown events were seen):
no query shows it, its version still counts, and nothing but UserCreated makes an account of it.
"""

from typing import assert_never, cast

from services.query.domain_event import DomainEvent
from services.query.read_model import Document
from shared.contracts.events import UserCreated, UserDeactivated, UserEmailUpdated, UserReactivated, UserRenamed
from shared.contracts.fields import email_key

NAME_KEY_LENGTH = 200

UserEvent = UserCreated | UserEmailUpdated | UserRenamed | UserDeactivated | UserReactivated


def project(document: Document | None, event: DomainEvent) -> Document:
    """The user after the event. Raises TypeError for an event of a user who was never created."""
    data = cast("UserEvent", event.data)
    if isinstance(data, UserCreated):
        return {
            "name": data.name,
            "name_key": name_key(data.name),
            "email": data.email,
            "email_key": email_key(data.email),
            "status": "active",
            "created_at": event.time,
            "updated_at": event.time,
        }
    if document is None:
        raise TypeError(f"{event.type} before UserCreated")
    if "status" not in document:
        return document
    match data:
        case UserEmailUpdated():
            change = {"email": data.new_email, "email_key": email_key(data.new_email)}
        case UserRenamed():
            change = {"name": data.new_name, "name_key": name_key(data.new_name)}
        case UserDeactivated():
            change = {"status": "deactivated"}
        case UserReactivated():
            change = {"status": "active"}
        case _:
            assert_never(data)
    return {**document, **change, "updated_at": event.time}


def name_key(name: str) -> str:
    """What users are sorted by: the name without regard to case, cut so that a cursor that holds it stays short."""
    return name.casefold()[:NAME_KEY_LENGTH]
