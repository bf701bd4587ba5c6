"""What is published is packed as pamqp packs it, byte for byte."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header

from shared.messaging.envelope import Envelope
from shared.messaging.frames import flow_ok_frame, publish_frames
from tests.unit.messaging.amqp_messages import names, tables, times, usual_tables

CHANNEL, FRAME_MAX, OVERHEAD = 513, 4096, 8

optional = st.none() | names
envelopes = st.builds(
    Envelope,
    exchange=st.sampled_from(["", "events", "dead-letters"]),
    routing_key=names | st.text(max_size=300),
    type=names,
    body=st.binary(max_size=100) | st.integers(4000, 9000).map(lambda size: b"x" * size),
    message_id=optional,
    content_type=optional,
    content_encoding=optional,
    headers=usual_tables | tables | st.dictionaries(st.text("kß", min_size=60, max_size=140), names, max_size=2),
    correlation_id=optional,
    reply_to=optional,
    expiration_ms=st.none() | st.integers(0, 10**12),
    timestamp=st.none() | times,
    user_id=optional,
    persistent=st.booleans(),
)


def by_pamqp(envelope: Envelope, *, mandatory: bool) -> bytes:
    properties = commands.Basic.Properties(
        content_type=envelope.content_type,
        content_encoding=envelope.content_encoding,
        headers=dict[str, Any](envelope.headers) or None,
        delivery_mode=2 if envelope.persistent else 1,
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        expiration=None if envelope.expiration_ms is None else str(envelope.expiration_ms),
        message_id=envelope.message_id,
        timestamp=envelope.timestamp,
        message_type=envelope.type or None,
        user_id=envelope.user_id,
    )
    size = FRAME_MAX - OVERHEAD
    pieces = [envelope.body[start : start + size] for start in range(0, len(envelope.body), size)]
    parts: list[Any] = [
        commands.Basic.Publish(exchange=envelope.exchange, routing_key=envelope.routing_key, mandatory=mandatory),
        header.ContentHeader(body_size=len(envelope.body), properties=properties),
        *map(body.ContentBody, pieces),
    ]
    return b"".join(frame.marshal(part, CHANNEL) for part in parts)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(envelopes, st.booleans())
def test_is_what_pamqp_packs(envelope: Envelope, mandatory: bool) -> None:
    try:
        expected = by_pamqp(envelope, mandatory=mandatory)
    except TypeError:
        with pytest.raises(ValueError, match="encoded"):
            publish_frames(CHANNEL, envelope, mandatory=mandatory, frame_max=FRAME_MAX)
        return

    assert publish_frames(CHANNEL, envelope, mandatory=mandatory, frame_max=FRAME_MAX) == expected


def envelope(**fields: Any) -> Envelope:
    return Envelope(**{"exchange": "", "routing_key": "q", "type": "T", "body": b"{}"} | fields)


UNPACKABLE: Mapping[str, dict[str, Any]] = {
    "a routing key over 255 bytes": {"routing_key": "ß" * 128},
    "a header of no AMQP type": {"headers": {"k": object()}},
    "a correlation id that is no text": {"correlation_id": 7},
    "headers larger than a frame": {"headers": {"k": "x" * FRAME_MAX}},
    "an exchange name with a line end": {"exchange": "a\nb"},
    "half a character": {"message_id": "\ud800"},
}


@pytest.mark.parametrize("fields", UNPACKABLE.values(), ids=UNPACKABLE.keys())
def test_what_can_not_be_packed_is_a_value_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"encoded|larger|Invalid|surrogates"):
        publish_frames(CHANNEL, envelope(**fields), mandatory=True, frame_max=FRAME_MAX)


@pytest.mark.parametrize("active", [True, False])
def test_flow_ok_is_what_pamqp_packs(active: bool) -> None:
    assert flow_ok_frame(CHANNEL, active=active) == frame.marshal(commands.Channel.FlowOk(active=active), CHANNEL)
