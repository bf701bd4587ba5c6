"""The frames packed by hand are those that the protocol's own decoder reads."""

import asyncio
import json

import pytest
from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.benchmarks.commands import creates
from tests.benchmarks.sender import Sender, packed


def test_a_packed_command_is_a_persistent_mandatory_publish_as_the_wire_contract_wants_it() -> None:
    command = creates(1, "a")[0]
    publish, header, body = _decoded(packed(command))
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("commands", command.user_id, True)
    assert isinstance(header, ContentHeader)
    properties = header.properties
    assert (properties.message_id, properties.message_type) == (command.id, "CreateUser")
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert isinstance(body, ContentBody)
    assert json.loads(body.value) == command.body
    assert header.body_size == len(body.value)


def test_a_peer_gets_the_same_message_by_its_queue() -> None:
    command = creates(1, "a")[0]
    publish, header, body = _decoded(packed(command, ""))
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key) == ("", "commands")
    _, same_header, same_body = _decoded(packed(command))
    assert isinstance(header, ContentHeader)
    assert isinstance(same_header, ContentHeader)
    assert dict(header.properties) == dict(same_header.properties)
    assert isinstance(body, ContentBody)
    assert isinstance(same_body, ContentBody)
    assert body.value == same_body.value


def _decoded(data: bytes) -> list[object]:
    frames: list[object] = []
    while data:
        size, channel, decoded = frame.unmarshal(data)
        assert channel == 1
        assert isinstance(decoded, Frame | ContentHeader | ContentBody)
        frames.append(decoded)
        data = data[size:]
    return frames


async def test_confirms_are_read_in_whatever_pieces_they_come() -> None:
    sender = _sender(5)
    confirms = _ack(1) + _ack(3, multiple=True) + _ack(5)
    for start in range(0, len(confirms), 4):
        sender._reader.feed_data(confirms[start : start + 4])

    await sender.confirmed(1)

    assert sender._unconfirmed == {4}


async def test_anything_but_a_confirm_is_an_error() -> None:
    sender = _sender(1)
    sender._reader.feed_data(_frame(commands.Basic.Return(312, "", "commands", "alice")))

    with pytest.raises(ConnectionError, match="instead of a confirm"):
        await sender.confirmed(0)


async def test_a_broker_that_hangs_up_is_an_error() -> None:
    sender = _sender(1)
    sender._reader.feed_eof()

    with pytest.raises(ConnectionError, match="hung up"):
        await sender.confirmed(0)


def _sender(unconfirmed: int) -> Sender:
    sender = Sender("amqp://127.0.0.1")
    sender._reader = asyncio.StreamReader()
    sender._unconfirmed = set(range(1, unconfirmed + 1))
    return sender


def _ack(tag: int, *, multiple: bool = False) -> bytes:
    return _frame(commands.Basic.Ack(delivery_tag=tag, multiple=multiple))


def _frame(method: Frame) -> bytes:
    return frame.marshal(method, 1)
