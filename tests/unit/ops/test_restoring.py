"""A dead letter becomes the message again that it was."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.command.pipeline.dead_letter import dead_letter, representable
from services.ops.dead_letters.restoring import UnrestorableError, restored, value_of
from shared.messaging.envelope import Delivery
from tests.unit.ops.dead_letters import NOON, letter

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = TEXT.filter(lambda name: not name.startswith("$"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.decimals()
    | TEXT
    | st.binary(max_size=20).map(bytearray)
    | st.datetimes(timezones=st.just(UTC))
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_every_header_survives_being_stored_as_json(headers: Mapping[str, Any]) -> None:
    stored = json.loads(json.dumps(representable(headers), allow_nan=False))

    assert same(value_of(stored), headers)


@given(st.recursive(st.none() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_whatever_a_stranger_put_there_is_restored_or_refused(stored: Any) -> None:
    try:
        value_of(stored)
    except UnrestorableError:
        assert "$truncated" in json.dumps(stored)


def test_properties_and_headers_are_as_they_were_sent() -> None:
    sent = Delivery(
        queue="commands.3",
        session=1,
        delivery_tag=1,
        redelivered=False,
        exchange="commands",
        routing_key="alice",
        body=b"{}",
        type="SuspendUser",
        message_id="m-1",
        content_type="application/json",
        content_encoding="gzip",
        headers={"schema-version": 2, "raw": b"\xff", "at": NOON, "nested": {"list": [1, b"x"]}},
        correlation_id="c-1",
        reply_to="reply.me",
        expiration="5000",
        timestamp=NOON,
        user_id="client",
    )
    row = dead_letter(sent, "unknown_type", "…")

    message = restored(letter(properties=row.properties, headers=row.headers, message_id="m-1", body=b"{}"))

    assert (message.exchange, message.routing_key, message.message_id) == ("commands", "alice", "m-1")
    assert (message.type, message.body, message.persistent) == ("SuspendUser", b"{}", True)
    assert dict(message.headers) == dict(sent.headers)
    for name in ("content_type", "content_encoding", "correlation_id", "reply_to", "timestamp", "user_id"):
        assert getattr(message, name) == getattr(sent, name)


def test_a_message_that_came_without_type_and_id_goes_without() -> None:
    message = restored(letter(type=None, message_id=None, properties={}))

    assert (message.type, message.message_id, message.content_type) == ("", None, None)


def test_what_failed_for_a_read_model_goes_to_its_queue_alone() -> None:
    message = restored(letter(queue="projections.users", exchange="events", routing_key="user.UserCreated"))

    assert (message.exchange, message.routing_key) == ("", "projections.users")


def test_what_tells_of_its_death_is_left_out() -> None:
    headers = {
        "x-death": [{"reason": "expired"}],
        "x-first-death-queue": "commands.3",
        "dead-letter-reason": "invalid_message",
        "dead-letter-queue": "projections.users",
        "traceparent": "00-1",
    }

    assert dict(restored(letter(headers=headers)).headers) == {"traceparent": "00-1"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"queue": "dead-letters", "exchange": "dead-letters"}, "dead-letters"),
        ({"headers": {"deep": {"$truncated": True}}}, "nested too deep"),
        ({"headers": {"big": {"$integer": hex(2**70)}}}, "can't be encoded"),
        ({"routing_key": "x" * 300}, "can't be encoded"),
        ({"headers": {"big": "x" * 200_000}}, "larger than a frame"),
    ],
)
def test_what_can_not_be_sent_says_why(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UnrestorableError, match=why):
        restored(letter(**changes))


def test_a_header_that_looks_like_ours_but_is_none_is_kept() -> None:
    assert value_of({"$bytes": "not base64!"}) == {"$bytes": "not base64!"}
    assert value_of({"$time": "noon"}) == {"$time": "noon"}


def same(left: Any, right: Any) -> bool:
    """Equal, of one type, and NaN is NaN."""
    if isinstance(left, dict) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return str(left) == str(right)
    if isinstance(left, datetime):
        return isinstance(right, datetime) and left == right
    return type(left) is type(right) and bool(left == right)
