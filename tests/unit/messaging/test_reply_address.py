from base64 import b64encode

import pytest

from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply, addressed
from shared.messaging.reply_address import is_allowed

PREFIX = "amq.rabbitmq.reply-to."
KEY = "CgGMYsVaUx+1pEr7LF6Uuw=="
PROCESS_ID = b"\x83Xv\x00\x0ereply@63481236\x00\x00\x04l\x00\x00\x00\x00k\x03Z4"


def token(process_id: bytes, key: str = KEY) -> str:
    return f"{PREFIX}{b64encode(process_id).decode()}.{key}"


@pytest.mark.parametrize(
    "reply_to",
    [
        "reply.alice",
        "reply." + "x" * 249,
        "reply.a.b/c#*{}",
        token(PROCESS_ID),
        token(b"\x83gv\x00\x0ereply@63481236\x00\x00\x04l\x00\x00\x00\x00\x03"),
    ],
)
def test_is_allowed(reply_to: str) -> None:
    assert is_allowed(reply_to)


@pytest.mark.parametrize(
    "reply_to",
    [
        "",
        "reply.",
        "reply",
        "queries",
        "commands.0",
        "projections.users",
        "dead-letters",
        "amq.gen-abc",
        "subscriber.x",
        "reply." + "x" * 250,
        "reply.new\nline",
        "reply.\u00e9",
        "Reply.alice",
        " reply.alice",
        "amq.rabbitmq.reply-to",
        PREFIX,
        PREFIX + "x",
        PREFIX + "x.y",
        PREFIX + "\u00e9.x",
        PREFIX + "!!!." + KEY,
        token(b"hello"),
        token(b""),
        token(PROCESS_ID.replace(b"Xv", b"Xd")),
        token(PROCESS_ID.replace(b"Xv", b"gv")),
        token(PROCESS_ID[:-1]),
        token(PROCESS_ID + b"x"),
        token(b"\x83" + PROCESS_ID),
        token(b"\x83x"),
        token(b"\x83gd\x00\rdev@localhost"),
        token(PROCESS_ID.replace(b"\x00\x0e", b"\x00\x0d")),
        token(PROCESS_ID.replace(b"63481236", b"6348123x")),
        token(PROCESS_ID, KEY + ".z"),
        token(PROCESS_ID, "!!!"),
        token(PROCESS_ID, ""),
        token(PROCESS_ID).replace("==.", "=."),
        token(PROCESS_ID) + "\n",
    ],
)
def test_is_refused(reply_to: str) -> None:
    assert not is_allowed(reply_to)


def request(reply_to: str | None, correlation_id: str | None = "c-1") -> Delivery:
    return Delivery(
        queue="queries",
        session=1,
        delivery_tag=1,
        redelivered=False,
        exchange="queries",
        routing_key="query",
        body=b"{}",
        reply_to=reply_to,
        correlation_id=correlation_id,
    )


def test_a_reply_goes_to_the_asker_with_its_correlation_id() -> None:
    envelope = addressed(Reply(type="QueryAnswer", body=b"{}"), request("reply.alice"))

    assert envelope is not None
    assert (envelope.exchange, envelope.routing_key, envelope.correlation_id) == ("", "reply.alice", "c-1")
    assert (envelope.type, envelope.persistent) == ("QueryAnswer", False)


def test_a_request_without_correlation_id_is_answered_without_one() -> None:
    envelope = addressed(Reply(type="QueryAnswer", body=b"{}"), request("reply.alice", correlation_id=None))

    assert envelope is not None
    assert envelope.correlation_id is None


@pytest.mark.parametrize("reply_to", [None, "", "queries"])
def test_there_is_no_reply_to_nowhere(reply_to: str | None) -> None:
    assert addressed(Reply(type="QueryAnswer", body=b"{}"), request(reply_to)) is None
