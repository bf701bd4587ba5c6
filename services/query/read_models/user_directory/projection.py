"""What each event makes of a user's entry in the directory.

The document is that of `users` (see `read_models/users/projection.py`) and, with it, `words`, `pairs` and `position`,
where the log has the event that named the user first: no two users have the same.
"""

from services.query.domain_event import DomainEvent
from services.query.read_model import Document
from services.query.read_models.user_directory.pairs import pairs
from services.query.read_models.user_directory.words import words
from services.query.read_models.users.projection import project as project_user


def project(document: Document | None, event: DomainEvent) -> Document:
    """The entry after the event. Raises TypeError for an event of a user who was never created."""
    user = project_user(document, event)
    if "name" not in user:
        return user
    if document is not None and "pairs" in document and _named(document) == _named(user):
        return user
    found_by = words(user["name"], user["email"])
    return {"position": event.position, **user, "words": found_by, "pairs": pairs(found_by)}


def _named(user: Document) -> tuple[object, object]:
    return user.get("name"), user.get("email")
