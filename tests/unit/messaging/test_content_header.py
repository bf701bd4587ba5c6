"""Properties are read as pamqp reads them, whatever stands in them; what it can't read is undecodable."""

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader

from shared.messaging.content_header import delivery_properties, read_properties
from shared.messaging.envelope import NO_HEADERS
from shared.messaging.undecodable import undecodable_reason
from tests.unit.messaging.amqp_messages import properties
from tests.unit.messaging.test_undecodable import READABLE, UNREADABLE

BEFORE, AFTER = b"\x02\x00\x01\x00\x00", b"\xce\x03\x00\x01\x00\x00\x00\x05hello\xce"


def read(payload: bytes) -> dict[str, Any]:
    """As it lies among other frames."""
    return read_properties(BEFORE + payload + AFTER, len(BEFORE), len(BEFORE) + len(payload))


def with_all(values: dict[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(delivery_properties(ContentHeader()))
    return nothing | {"headers": NO_HEADERS} | values


def by_pamqp(payload: bytes) -> dict[str, Any]:
    reason = undecodable_reason(payload)
    if reason is not None:
        return {"undecodable": reason}
    content = ContentHeader()
    try:
        content.unmarshal(payload)
    except ValueError:
        return {"undecodable": "properties are cut short"}
    return delivery_properties(content)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(properties)
def test_all_properties_and_kinds_of_headers(message: commands.Basic.Properties) -> None:
    payload = ContentHeader(body_size=5, properties=message).marshal()

    assert with_all(read(payload)) == with_all(by_pamqp(payload))


fields = st.one_of(
    st.binary(max_size=6).map(lambda text: bytes((len(text),)) + text),
    st.binary(max_size=12).map(lambda table: struct.pack(">I", len(table)) + table),
    st.sampled_from(
        [b"\x01kS\x00\x00\x00\x01v", b"\x01kI\x00\x00\x00\x01", b"\x01kt\x01", b"\x01kS\x00\x00\x00\xffv"]
    ).map(lambda table: struct.pack(">I", len(table)) + table),
    st.binary(max_size=9),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 0xFFFF), st.lists(fields, max_size=5).map(b"".join))
@example(0x0400, b"\x05abc")
@example(0x2000, b"\x00\x00\x00\x04\x01kS\x00")
def test_whatever_the_bytes_are(flags: int, data: bytes) -> None:
    payload = struct.pack(">HHQH", 60, 0, 5, flags) + data

    assert with_all(read(payload)) == with_all(by_pamqp(payload))


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_can_not_be_read_has_a_reason_and_nothing_else(payload: bytes) -> None:
    assert read(payload) == {"undecodable": undecodable_reason(payload)}


@pytest.mark.parametrize("payload", READABLE.values(), ids=READABLE.keys())
def test_what_can_be_read_is_read(payload: bytes) -> None:
    assert "undecodable" not in read(payload)
