"""What an event or an outcome says about a command.

The document: `_id` (command id), `status` (accepted, rejected), `time`; and `aggregate_id` and `version` of an
accepted one, `code` of a rejected one.
"""

from collections.abc import Mapping
from typing import Any

from services.query.domain_event import DomainEvent
from services.query.read_model import Document, TimedOutcome
from shared.contracts.outcome import Accepted

LARGEST_VERSION = 2**63 - 1


def record(message: DomainEvent | TimedOutcome) -> Document | None:
    """None for an event that no command caused, an outcome of a message without an id, and a version that can't be."""
    if isinstance(message, DomainEvent):
        command_id = message.causation_id
        if command_id is None or message.version > LARGEST_VERSION:
            return None
        return {
            "_id": str(command_id),
            "status": "accepted",
            "aggregate_id": message.aggregate_id,
            "version": message.version,
            "time": message.time,
        }
    outcome = message.outcome
    if outcome.command_id is None:
        return None
    document: Document = {"_id": str(outcome.command_id), "status": outcome.status, "time": message.time}
    if isinstance(outcome, Accepted):
        return {**document, "aggregate_id": outcome.aggregate_id, "version": outcome.version}
    return {**document, "code": outcome.error.code}


def supersedes(document: Document) -> Mapping[str, Any] | None:
    """The first outcome stays, but for two: a dead letter that was redriven with success, and a command with several
    events, which is accepted at the version of its last.
    """
    if document["status"] != "accepted":
        return None
    return {"$or": [{"status": "rejected"}, {"version": {"$lt": document["version"]}}]}
