import json
from datetime import timedelta

import pytest

from services.ops.dead_letters.fate import Fate, FateOf
from services.ops.dead_letters.letter import Group
from services.ops.dead_letters.masking import masked, shown_body
from services.ops.dead_letters.redrive import Redriven
from services.ops.rendering.dead_letters import (
    groups_json,
    groups_table,
    letter_json,
    letter_text,
    letters_table,
    redriven_json,
    redriven_text,
)
from tests.unit.ops.dead_letters import NOON, letter
from tests.unit.ops.plain_text import plain_text

GROUPS = [
    Group("unknown_type", "SuspendUser", 3, 7, NOON, NOON + timedelta(hours=1)),
    Group("invalid_message", None, 2, 2, NOON, NOON),
]


def test_groups_show_how_many_and_from_when_to_when() -> None:
    text = plain_text(groups_table(GROUPS))

    assert "unknown_type     SuspendUser      3         7  2026-11-22 12:00:00  2026-11-22 13:00:00" in text
    assert "5 in all" in text
    assert groups_json(GROUPS)["total"] == 5
    assert groups_json(GROUPS)["groups"][1]["type"] is None


def test_a_letter_tells_how_often_it_failed_and_between_when() -> None:
    text = plain_text(letters_table([letter(attempts=12, last_seen=NOON + timedelta(hours=1))]))

    assert "12  2026-11-22 12:00:00  2026-11-22 13:00:00" in text


def test_no_dead_letters_are_said_to_be_none() -> None:
    assert plain_text(groups_table([])).strip() == plain_text(letters_table([])).strip() == "no dead letters"


def test_values_are_masked_and_keys_are_not() -> None:
    assert masked({"a": "x", "b": {"c": [1, 2]}, "d": None}) == {"a": "***", "b": {"c": ["***", "***"]}, "d": None}
    document = letter_json(letter(), full=False)

    assert document["body"] == {"user_id": "***", "note": "***"}
    assert document["headers"] == {"schema-version": "***"}
    assert document["properties"] == {"content_type": "***", "correlation_id": "***", "user_id": "***"}
    assert "secret" not in plain_text(letter_text(letter(), full=False))


def test_with_full_the_values_are_shown() -> None:
    assert letter_json(letter(), full=True)["body"] == {"user_id": "alice", "note": "secret"}
    assert letter_json(letter(), full=True)["properties"]["correlation_id"] == "c-1"
    assert "secret" in plain_text(letter_text(letter(), full=True))


@pytest.mark.parametrize(
    ("body", "raw"), [(b"secret", {"text": "secret"}), (b"\xff\xfe", {"base64": "//4="}), (b"[" * 100_000, None)]
)
def test_a_body_that_is_no_json_tells_its_length_and_why(body: bytes, raw: dict[str, str] | None) -> None:
    told = shown_body(body, full=False)

    assert told["bytes"] == len(body)
    assert set(told) == {"bytes", "why"}
    assert raw is None or shown_body(body, full=True) == {**told, **raw}


def test_what_a_stranger_wrote_can_not_steer_the_terminal() -> None:
    hostile = letter(type="\x1b[2J\x9b31m", routing_key="a\u202eb", detail="x\ny", reason="r\x07")

    for text in (plain_text(letters_table([hostile])), plain_text(letter_text(hostile, full=True))):
        assert not set(text) & set("\x1b\x9b\u202e\x07")
    assert len(plain_text(letters_table([hostile])).splitlines()) == 2


def test_a_redrive_tells_what_became_of_the_first_and_of_the_rest() -> None:
    back = FateOf(Fate.CAME_BACK, {"id": 9, "reason": "unknown_type", "detail": "…"})
    stopped = Redriven(redriven=1, left=4, probe=back)
    accepted = FateOf(Fate.OUTCOME, {"status": "accepted", "version": 3, "consistency_token": "t"})
    done = Redriven(redriven=5, probe=accepted)

    assert not stopped.is_complete
    assert "it failed again, as dead letter 9: unknown_type" in plain_text(redriven_text(stopped))
    assert "not tried: 4" in plain_text(redriven_text(stopped))
    assert done.is_complete
    assert "first one: accepted 3" in plain_text(redriven_text(done))
    assert json.loads(json.dumps(redriven_json(done, [8])))["probe"] == {
        "fate": "outcome",
        "status": "accepted",
        "version": 3,
    }
    assert Redriven(redriven=1, probe=FateOf(Fate.UNKNOWN, {})).is_unanswered
    assert not Redriven(redriven=1, failed={3: "refused"}).is_complete
