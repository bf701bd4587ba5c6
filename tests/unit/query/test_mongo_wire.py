import itertools
import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.mongo.wire.op_msg import Answers, WireProtocolError, packed
from services.query.mongo.wire.server import Credentials, UnreadableUrlError, credentials_of

ANSWERS = [(number, {"ok": 1, "text": "x" * size}) for number, size in enumerate((0, 1, 5_000))]


def answer(number: int, document: dict[str, object], *, flags: int = 0, kind: int = 0, op_code: int = 2013) -> bytes:
    body = bson.encode(document)
    return struct.pack("<iiiiIB", 21 + len(body), 77, number, op_code, flags, kind) + body


@given(cuts=st.lists(st.integers(0, 5_300), max_size=8))
def test_answers_are_read_however_they_are_cut(cuts: list[int]) -> None:
    stream = b"".join(answer(number, document) for number, document in ANSWERS)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    answers = Answers()

    found = [each for at, to in itertools.pairwise(places) for each in answers.feed(stream[at:to])]

    assert [(number, bson.decode(body)) for number, body in found] == ANSWERS


def test_a_question_is_what_the_wire_protocol_asks_for() -> None:
    question = packed(5, {"find": "users", "$db": "cqrs"})
    length, request_id, response_to, op_code, flags, kind = struct.unpack_from("<iiiiIB", question)

    assert (length, request_id, response_to, op_code, flags, kind) == (len(question), 5, 0, 2013, 0, 0)
    assert bson.decode(question[21:]) == {"find": "users", "$db": "cqrs"}


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 32,
        answer(1, {"ok": 1}, op_code=1),
        answer(1, {"ok": 1}, flags=1),
        answer(1, {"ok": 1}, kind=1),
        struct.pack("<iiii", 2**31 - 1, 1, 1, 2013),
        struct.pack("<iiii", -1, 1, 1, 2013),
        struct.pack("<iiii", 21, 1, 1, 2013) + b"\x00" * 5,
        struct.pack("<iiiiIB", 26, 1, 1, 2013, 0, 0) + struct.pack("<i", 99) + b"\x00",
    ],
)
def test_what_is_no_answer_is_refused(stream: bytes) -> None:
    with pytest.raises(WireProtocolError):
        Answers().feed(stream)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://127.0.0.1:27017/cqrs?replicaSet=rs0", None),
        ("mongodb://query:s%40cret@mongo:27017/cqrs?replicaSet=rs0", Credentials("query", "s@cret", "cqrs")),
        ("mongodb://query:x@a,b:27018/?replicaSet=rs0", Credentials("query", "x", "admin")),
        ("mongodb://query:x@a/cqrs?authSource=admin", Credentials("query", "x", "admin")),
        ("mongodb://query:x@a/cqrs?authMechanism=SCRAM-SHA-256&tls=false", Credentials("query", "x", "cqrs")),
    ],
)
def test_who_logs_in_is_read_from_the_url(url: str, expected: Credentials | None) -> None:
    assert credentials_of(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mongodb+srv://query:x@example.test/cqrs", "DNS"),
        ("mongodb://query:x@a/cqrs?tls=true", "tls"),
        ("mongodb://query:x@a/cqrs?ssl=true", "tls"),
        ("mongodb://query:x@a/cqrs?authMechanism=SCRAM-SHA-1", "SCRAM-SHA-1"),
        ("mongodb://a/cqrs?authMechanism=MONGODB-X509&tls=true", "tls"),
        ("mongodb://a/cqrs?loadBalanced=true", "loadbalanced"),
    ],
)
def test_a_url_that_asks_for_more_is_left_to_pymongo(url: str, reason: str) -> None:
    with pytest.raises(UnreadableUrlError, match=reason):
        credentials_of(url)


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(credentials_of("mongodb://query:s3cret@a/cqrs"))
