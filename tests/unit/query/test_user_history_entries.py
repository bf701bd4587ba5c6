from typing import Any

import pytest

from services.query.domain_event import DomainEvent, domain_event
from services.query.read_model import Entry
from services.query.read_models.user_history.entries import entries
from services.query.read_models.user_history.get_user_history import decode, encode
from services.query.sealed_cursor import BadCursorError, seal
from tests.unit.query.given_events import (
    at,
    command_id,
    created,
    deactivated,
    email_updated,
    envelope,
    event,
    reactivated,
    renamed,
)


def test_an_entry_tells_who_changed_what_when_and_by_which_command() -> None:
    (entry,) = entries(None, renamed("alice", 2, "Al"))

    assert entry == Entry(
        {
            "_id": {"user_id": "alice", "version": 2},
            "event_id": "00000000-0000-4000-8000-000000000002",
            "type": "UserRenamed",
            "time": at(2),
            "actor": "client",
            "causation_id": str(command_id("alice", 2)),
            "correlation_id": None,
            "changes": [{"field": "name", "from": "before", "to": "Al"}],
        }
    )


@pytest.mark.parametrize(
    ("happened", "changes"),
    [
        (
            created("a", name="Al", email="a@b.cc"),
            [("name", None, "Al"), ("email", None, "a@b.cc"), ("status", None, "active")],
        ),
        (email_updated("a", 2, "new@b.cc"), [("email", "old@example.com", "new@b.cc")]),
        (deactivated("a", 2), [("status", "active", "deactivated")]),
        (
            event("UserDeactivated", "a", 2, reason="left"),
            [("status", "active", "deactivated"), ("reason", None, "left")],
        ),
        (reactivated("a", 2), [("status", "deactivated", "active")]),
        (event("UserKnighted", "a", 2, title="Sir"), []),
    ],
)
def test_what_each_event_changed(happened: DomainEvent, changes: list[Any]) -> None:
    (entry,) = entries(None, happened)

    assert [(change["field"], change["from"], change["to"]) for change in entry.document["changes"]] == changes


def test_an_event_that_no_command_caused_has_an_entry_too() -> None:
    (entry,) = entries(None, domain_event(envelope("UserDeactivated", "a", 2).model_copy(update={"causationid": None})))

    assert entry.document["causation_id"] is None


def test_a_cursor_survives_and_belongs_to_its_user() -> None:
    assert decode(encode("alice", 7), "alice") == 7
    with pytest.raises(BadCursorError, match="another user"):
        decode(encode("alice", 7), "bob")


@pytest.mark.parametrize("fields", [[2, "alice", 7], [1, "alice", "7"], [1, "alice", 0], [1, "alice", 2**63], [1, 2]])
def test_a_well_made_forgery_is_refused(fields: list[Any]) -> None:
    with pytest.raises(BadCursorError):
        decode(seal(fields), "alice")
