"""The quick way to read JSON says the same as the strict one, or nothing."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.messaging.codec import MAX_DEPTH, UndecodableBodyError, _read_closely, decode_json
from shared.messaging.quick_json import read_ordinary

LARGEST = 2**63 - 1

texts = st.text(alphabet=st.sampled_from('ab":,{}[]\\ \n\0\ud800é'), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(texts, values, max_size=5)
spaces = st.sampled_from(["", " ", "  ", "\n", "\t"])


def closely(body: bytes) -> Any:
    try:
        return repr(_read_closely(body, 64))
    except UndecodableBodyError:
        return None


def quickly(body: bytes) -> Any:
    document = read_ordinary(body, max_depth=MAX_DEPTH, largest=LARGEST)
    return None if document is None else repr(document)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, st.booleans(), spaces, spaces)
def test_what_it_reads_is_what_the_strict_way_reads(
    document: dict[str, Any], ascii_only: bool, comma: str, colon: str
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, separators=("," + comma, colon + ":"))
    body = text.encode("utf-8", "surrogatepass")

    assert quickly(body) in (None, closely(body))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(['"a"', '"b"', ":", ",", "{", "}", "[", "]", "1", "1e999", " ", '"\\u0061"', '":"'])))
def test_no_text_of_json_pieces_gets_through_that_the_strict_way_refuses(pieces: list[str]) -> None:
    body = ("{" + "".join(pieces) + "}").encode()

    assert quickly(body) in (None, closely(body))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["a", "b", 'x" :', ":"]), spaces), min_size=2, max_size=5))
def test_a_key_that_comes_twice_is_never_read(keys: list[tuple[str, str]]) -> None:
    body = ("{" + ",".join(f"{json.dumps(key)}{space}:1" for key, space in keys) + "}").encode()

    if len({key for key, _ in keys}) < len(keys):
        assert quickly(body) is None


def test_an_ordinary_event_is_read_quickly() -> None:
    event = {"id": "0193", "time": "2026-11-23T00:00:00Z", "position": 42, "actor": None, "data": {"name": "Élise B."}}
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

    assert read_ordinary(body, max_depth=MAX_DEPTH, largest=LARGEST) == event
    assert decode_json(body) == event
