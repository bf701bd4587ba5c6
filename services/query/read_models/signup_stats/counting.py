"""What an event adds to the counters of its day.

The counters of a day: `_id` (its midnight in UTC), `signups`, `deactivations`, `reactivations`, `active` (how many more
are active than on the day before; may be negative), `updated_at`. Missing ones are 0. Each event is counted once: see
`services/query/projector/details.py`.
"""

from collections.abc import Sequence

from services.query.domain_event import DomainEvent
from services.query.read_model import Document, Increment
from services.query.read_models.signup_stats.projection import project
from shared.contracts.events import UserCreated, UserDeactivated, UserReactivated

COUNTERS = {UserCreated: "signups", UserDeactivated: "deactivations", UserReactivated: "reactivations"}


def increments(document: Document | None, event: DomainEvent) -> Sequence[Increment]:
    if event.data is None:
        return ()
    amounts: dict[str, int] = {}
    counter = COUNTERS.get(type(event.data))
    if counter is not None:
        amounts[counter] = 1
    difference = _active(project(document, event)) - _active(document)
    if difference:
        amounts["active"] = difference
    if not amounts:
        return ()
    day = event.time.replace(hour=0, minute=0, second=0, microsecond=0)
    return [Increment(day, amounts, event.time)]


def _active(document: Document | None) -> bool:
    return document is not None and document.get("active", False)
