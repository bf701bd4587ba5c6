"""The JSON cases of the bad inputs (28-40), and what must get through."""

import pytest

from shared.messaging.codec import MAX_DEPTH, UndecodableBodyError, decode_json, encode_json

REFUSED = {
    "28 empty body": (b"", "empty"),
    "29 trailing bytes": (b'{"a":1}x', "not JSON"),
    "29 a second document": (b'{"a":1}{"b":2}', "not JSON"),
    "30 Latin-1": ('{"name":"Ren\u00e9"}'.encode("latin-1"), "not UTF-8"),
    "31 byte order mark": (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
    "32 UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "32 UTF-16 without a mark": ('{"a":1}'.encode("utf-16-le"), "not JSON"),
    "33 NaN": (b'{"a":NaN}', "NaN"),
    "33 Infinity": (b'{"a":-Infinity}', "Infinity"),
    "34 1e400": (b'{"a":1e400}', "too large"),
    "35 lone surrogate": (b'{"name":"\\ud800"}', "surrogate"),
    "35 lone surrogate in a key": (b'{"\\uDFFF":1}', "surrogate"),
    "35 surrogate as bytes": (b'{"name":"\xed\xa0\x80"}', "not UTF-8"),
    "36 100,000 levels": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    "36 100,000 objects": (b'{"a":' * 30_000 + b"1" + b"}" * 30_000, "nested"),
    "36 one level too deep": (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested"),
    "37 5,000 digits": (b'{"a":' + b"9" * 5000 + b"}", "digits"),
    "38 2^64": (b'{"a":[18446744073709551616]}', "64 bits"),
    "38 just over": (b'{"a":9223372036854775808}', "64 bits"),
    "39 the same key twice": (b'{"a":1,"a":2}', "twice"),
    "39 inside": (b'{"x":{"a":1,"\\u0061":2}}', "twice"),
    "40 NUL": (b'{"name":"a\\u0000b"}', "NUL"),
    "40 NUL in a key": (b'{"\\u0000":1}', "NUL"),
    "40 NUL as a byte": (b'{"name":"a\x00b"}', "not JSON"),
    "not an object": (b"[1]", "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "over the limit": (b'{"a":"' + b"x" * 300_000 + b'"}', "over the limit"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(UndecodableBodyError, match=reason) as refused:
        decode_json(body)

    assert len(refused.value.reason) < 100


ACCEPTED = {
    "a pair of surrogates": (b'{"name":"\\ud83d\\ude00"}', {"name": "\U0001f600"}),
    "an escaped backslash before u0000": (b'{"name":"\\\\u0000"}', {"name": "\\u0000"}),
    "the largest integer": (b'{"a":9223372036854775807}', {"a": 2**63 - 1}),
    "the smallest integer": (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
    "a large float": (b'{"a":1e308}', {"a": 1e308}),
    "spaces around": (b' {"a": [1, true, null]}\n', {"a": [1, True, None]}),
    "the deepest nesting": (
        b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
        None,
    ),
}


@pytest.mark.parametrize(("body", "document"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_gets_through(body: bytes, document: object) -> None:
    decoded = decode_json(body)

    assert document is None or decoded == document


def test_longer_integers_get_through_when_asked_for() -> None:
    assert decode_json(b'{"a":18446744073709551616}', integer_bits=1024) == {"a": 2**64}


def test_encodes_compact_utf8() -> None:
    assert encode_json({"name": "Ren\u00e9", "n": [1, None]}) == '{"name":"Ren\u00e9","n":[1,null]}'.encode()


@pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}])
def test_what_could_not_be_read_is_not_written(document: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode_json(document)
