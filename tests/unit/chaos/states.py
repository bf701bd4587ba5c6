"""States written by hand, as PostgreSQL and MongoDB would hold them: right ones, for tests to spoil."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.history import History
from tests.chaos.traffic import Traffic, Wire
from tests.support.load import Sent
from tests.support.oracle import Stored

CREATE, RENAME, SAME_NAME, LEAVE = (f"0000000{n}-0000-4000-8000-000000000000" for n in range(1, 5))
POISON = "0000000f-0000-4000-8000-000000000000"
FIRST = datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)
LATER = datetime(2026, 2, 1, 0, 0, 1, 987654, UTC)
LAST = datetime(2026, 2, 3, 12, 0, 0, 500, UTC)


def event(version: int, kind: str, cause: str, time: datetime, /, **data: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{version}",
        "aggregate_type": "user",
        "aggregate_id": "ann",
        "version": version,
        "type": kind,
        "schema_version": 1,
        "time": time,
        "data": {"user_id": "ann", **data},
        "correlation_id": cause,
        "causation_id": cause,
        "actor": "client",
        "position": version,
    }


def accepted(command_id: str, version: int) -> dict[str, Any]:
    return {
        "status": "accepted",
        "command_id": command_id,
        "aggregate_id": "ann",
        "version": version,
        "consistency_token": f"user/ann@{version}",
    }


def stored() -> Stored:
    """Ann was created, renamed, renamed to the same name, and deactivated."""
    return Stored(
        events={
            "ann": [
                event(1, "UserCreated", CREATE, FIRST, name="Ann", email="ann@example.com"),
                event(2, "UserRenamed", RENAME, LATER, old_name="Ann", new_name="Anna"),
                event(3, "UserDeactivated", LEAVE, LAST, reason="left"),
            ]
        },
        users={"ann": account()},
        outcomes={
            CREATE: accepted(CREATE, 1),
            RENAME: accepted(RENAME, 2),
            SAME_NAME: accepted(SAME_NAME, 2),
            LEAVE: accepted(LEAVE, 3),
        },
    )


def account() -> dict[str, Any]:
    return {
        "user_id": "ann",
        "name": "Anna",
        "email": "ann@example.com",
        "status": "deactivated",
        "version": 3,
        "created_at": FIRST,
        "updated_at": LAST,
    }


def entries() -> dict[Any, dict[str, Any]]:
    """Ann's history as MongoDB holds it."""
    changes: dict[int, list[tuple[str, str | None, str]]] = {
        1: [("name", None, "Ann"), ("email", None, "ann@example.com"), ("status", None, "active")],
        2: [("name", "Ann", "Anna")],
        3: [("status", "active", "deactivated"), ("reason", None, "left")],
    }
    facts = {1: ("UserCreated", CREATE, FIRST), 2: ("UserRenamed", RENAME, LATER), 3: ("UserDeactivated", LEAVE, LAST)}
    return {
        ("ann", version): {
            "_id": {"user_id": "ann", "version": version},
            "event_id": f"e{version}",
            "type": kind,
            "time": time,
            "actor": "client",
            "causation_id": cause,
            "correlation_id": cause,
            "changes": [{"field": field, "from": old, "to": new} for field, old, new in changes[version]],
        }
        for version, (kind, cause, time) in facts.items()
    }


def days() -> dict[Any, dict[str, Any]]:
    """The counters of Ann's days as MongoDB holds them."""
    return {
        datetime(2026, 1, 31, tzinfo=UTC): {"signups": 1, "active": 1, "updated_at": FIRST},
        datetime(2026, 2, 3, tzinfo=UTC): {"deactivations": 1, "active": -1, "updated_at": LAST},
    }


def statuses() -> dict[str, dict[str, Any]]:
    versions = {CREATE: 1, RENAME: 2, SAME_NAME: 2, LEAVE: 3}
    known: dict[str, dict[str, Any]] = {
        command_id: {"_id": command_id, "status": "accepted", "aggregate_id": "ann", "version": version, "time": LAST}
        for command_id, version in versions.items()
    }
    return known | {POISON: {"_id": POISON, "status": "rejected", "code": "unknown_type", "time": LAST}}


def letters() -> dict[str, list[str]]:
    return {POISON: ["unknown_type"]}


def traffic() -> Traffic:
    sent = [
        Sent(CREATE, "CreateUser", {"user_id": "ann", "name": "Ann", "email": "ann@example.com"}),
        Sent(RENAME, "RenameUser", {"user_id": "ann", "name": "Anna"}),
        Sent(SAME_NAME, "RenameUser", {"user_id": "ann", "name": "Anna"}),
        Sent(LEAVE, "DeactivateUser", {"user_id": "ann", "reason": "left"}),
    ]
    messages = [Wire(command.message_id, command.type, "ann", b"{}") for command in sent]
    messages.append(Wire(POISON, "PromoteUser", "poison", b"{}", reason="unknown_type"))
    return Traffic({command.message_id: command for command in sent}, {POISON: "unknown_type"}, messages)


def history() -> History:
    """All is confirmed, and every client heard of every outcome."""
    seen = History(Path("/dev/null"))
    seen.sent = Counter({message.message_id: 1 for message in traffic().messages})
    seen.confirmed = set(seen.sent)
    for command_id, outcome in stored().outcomes.items():
        seen.outcomes[command_id].append(outcome)
    seen.outcomes[POISON].append(
        {"status": "rejected", "command_id": POISON, "error": {"code": "unknown_type", "message": ""}}
    )
    return seen
