"""The hash that tells a repetition from a mix-up. The inbox keeps it, so it may never change for the same content."""

import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.command.pipeline.content_hash import content_hash

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), max_size=8)
VALUES = st.none() | st.booleans() | st.integers() | TEXTS | PLAIN | st.lists(TEXTS, max_size=2)


def canonical_hash(type_: str, schema_version: int, expected: int | None, document: dict[str, Any]) -> bytes:
    whole = [type_, schema_version, expected, document]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).digest()


@given(
    st.none() | st.integers(0), st.dictionaries(PLAIN, PLAIN, max_size=3) | st.dictionaries(TEXTS, VALUES, max_size=3)
)
def test_any_content_has_the_hash_of_its_canonical_json(expected: int | None, document: dict[str, Any]) -> None:
    assert content_hash("RenameUser", 1, expected, document) == canonical_hash("RenameUser", 1, expected, document)


def test_a_text_that_looks_like_json_is_not_taken_for_its_fields() -> None:
    one = {"name": 'x","user_id":"alice'}
    two = {"name": "x", "user_id": "alice"}
    assert content_hash("RenameUser", 1, None, one) != content_hash("RenameUser", 1, None, two)


def test_the_hash_of_a_create_is_what_earlier_releases_kept() -> None:
    document = {"user_id": "alice", "name": "Alice", "email": "alice@example.com"}
    assert content_hash("CreateUser", 1, None, document).hex() == (
        "b5da055e60d1190da88bd273e728560898f21efba6a7e14012c20c999737c9c4"
    )
