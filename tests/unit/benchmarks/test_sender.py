"""The frames packed by hand are those that the protocol's own decoder reads."""

import json

from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.benchmarks.commands import creates
from tests.benchmarks.sender import packed


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
