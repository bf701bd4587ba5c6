"""Whatever a message holds, its dead letter can be stored."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.command.pipeline.dead_letter import dead_letter, representable
from tests.unit.command.deliveries import delivery

ODD_TEXT = st.text(st.characters(), max_size=20)  # surrogates and NUL included
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT | st.binary() | st.decimals() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXT, inner, max_size=3),
    max_leaves=10,
)


def assert_storable(document: Any) -> None:
    text = json.dumps(document, allow_nan=False)
    assert "\\u0000" not in text
    json.dumps(document, ensure_ascii=False).encode()


@given(VALUES)
def test_any_header_value_becomes_json(value: Any) -> None:
    assert_storable(representable(value))


@given(ODD_TEXT, ODD_TEXT, ODD_TEXT)
def test_any_text_can_be_stored(type_: str, message_id: str, detail: str) -> None:
    letter = dead_letter(delivery(type=type_, message_id=message_id, reply_to=detail), "invalid_message", detail)
    assert_storable([letter.type, letter.message_id, letter.detail, letter.properties])


def test_what_json_lacks_can_be_told_apart() -> None:
    assert representable(
        {
            "raw": b"\xff",
            "when": datetime(2026, 11, 22, tzinfo=UTC),
            "price": Decimal("1.5"),
            "nan": float("nan"),
            "i": 3,
        }
    ) == {
        "raw": {"$bytes": "/w=="},
        "when": {"$time": "2026-11-22T00:00:00+00:00"},
        "price": {"$decimal": "1.5"},
        "nan": {"$float": "nan"},
        "i": 3,
    }


def test_endless_nesting_ends() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    assert_storable(representable(value))


def fingerprint(reason: str = "invalid_message", **changes: Any) -> bytes:
    return dead_letter(delivery(message_id="a", headers=changes.pop("headers", {}), **changes), reason, "").fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"redelivered": True, "delivery_tag": 9, "headers": {"x-delivery-count": 1}},
        {"expiration": 5000, "timestamp": datetime(2026, 11, 22, tzinfo=UTC), "headers": {"traceparent": "00-1-2-01"}},
        {"headers": {"x-death": [{"count": 2}], "x-first-death-queue": "commands.0", "dead-letter-detail": "why"}},
        {"reason": "unknown_type"},
    ],
)
def test_the_fingerprint_knows_a_message_again(changes: dict[str, Any]) -> None:
    assert fingerprint(**changes) == fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "b"},
        {"type": "RenameUser"},
        {"routing_key": "bob"},
        {"queue": "commands.7"},
        {"exchange": "amq.direct"},
        {"body": b"{ }"},
        {"reply_to": "reply.other"},
        {"content_encoding": "gzip"},
        {"headers": {"schema-version": 2}},
    ],
)
def test_the_fingerprint_tells_messages_apart(changes: dict[str, Any]) -> None:
    message_id = changes.pop("message_id", "a")
    other = dead_letter(delivery(message_id=message_id, **changes), "invalid_message", "")
    assert other.fingerprint != fingerprint()
