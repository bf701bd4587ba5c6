import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.read_models.users.page_cursor import PageCursor, decode, encode
from services.query.sealed_cursor import BadCursorError, _digest

MOMENT = datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=UTC)
BY_TIME = PageCursor("-created_at", "active", MOMENT, "alice")


def test_a_cursor_survives_the_journey() -> None:
    assert decode(encode(BY_TIME), sort="-created_at", status="active") == BY_TIME


@given(name=st.text(max_size=200), user_id=st.text("ab9._-", min_size=1, max_size=64))
def test_a_cursor_by_any_name_survives_and_fits_the_contract(name: str, user_id: str) -> None:
    cursor = PageCursor("name", None, name, user_id)

    text = encode(cursor)

    assert decode(text, sort="name", status=None) == cursor
    assert len(text) <= 2048


@pytest.mark.parametrize(("sort", "status"), [("created_at", "active"), ("-created_at", None), ("name", "active")])
def test_a_cursor_of_another_sort_or_status_is_refused(sort: str, status: str | None) -> None:
    with pytest.raises(BadCursorError, match="belongs to another sort or status"):
        decode(encode(BY_TIME), sort=sort, status=status)


@pytest.mark.parametrize("position", range(0, 60, 7))
def test_a_changed_cursor_is_refused(position: int) -> None:
    text = encode(BY_TIME)
    changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]

    with pytest.raises(BadCursorError):
        decode(changed, sort="-created_at", status="active")


@pytest.mark.parametrize("text", ["x", "....", "é", "AAAA", "\ud800", "A" * 2048, "eyJhIjoxfQ", " "])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        decode(text, sort="created_at", status=None)


@pytest.mark.parametrize(
    "fields",
    [
        [1, "created_at", None, "not a time", "alice"],
        [1, "created_at", None, True, "alice"],
        [1, "created_at", None, 10**30, "alice"],
        [1, "created_at", None, {"$gt": ""}, "alice"],
        [1, "created_at", None, 0, {"$gt": ""}],
        [1, "created_at", None, 0, "\ud800"],
        [2, "created_at", None, 0, "alice"],
        [1, "created_at", None, 0],
        {"$where": "1"},
        None,
    ],
)
def test_a_well_made_forgery_is_refused(fields: object) -> None:
    content = json.dumps(fields).encode()
    text = base64.urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")

    with pytest.raises(BadCursorError):
        decode(text, sort="created_at", status=None)
