"""What is let in, and why the rest never will be."""

import json
from typing import Any

import pytest

from services.command.bootstrap import command_bus
from services.command.pipeline.arrivals import CommandArrived, Unprocessable
from services.command.pipeline.reception import receive_command
from shared.contracts.commands import CreateUser
from shared.messaging.envelope import Delivery
from tests.unit.command.deliveries import ALICE, SOME_ID, delivery

BUS = command_bus()


def accepted(arrived: Delivery) -> CommandArrived:
    arrival = receive_command(BUS, arrived)
    assert isinstance(arrival, CommandArrived), arrival
    return arrival


def refused(arrived: Delivery) -> Unprocessable:
    arrival = receive_command(BUS, arrived)
    assert isinstance(arrival, Unprocessable), arrival
    return arrival


def code(arrival: Unprocessable) -> str:
    assert arrival.rejected is not None
    assert arrival.rejected.error.code == arrival.letter.reason
    return arrival.rejected.error.code


def test_a_command_that_keeps_its_contract_arrives() -> None:
    headers = {
        "schema-version": 1,
        "expected-version": 3,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    arrival = accepted(delivery(message_id=str(SOME_ID).upper(), headers=headers))
    assert arrival.command == CreateUser(**ALICE)
    assert arrival.command_id == SOME_ID
    assert arrival.expected_version == 3
    assert arrival.traceparent == headers["traceparent"]


def test_headers_that_say_nothing_are_ignored() -> None:
    arrival = accepted(delivery(content_encoding="identity", content_type="text/plain", headers={"traceparent": "x"}))
    assert arrival.expected_version is None
    assert arrival.traceparent is None


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": None},
        {"message_id": ""},
        {"message_id": "17"},
        {"message_id": "{0192f0c1-2d3e-7a4b-8c5d-100000000001}"},
        {"type": None},
        {"type": ""},
        {"content_encoding": "gzip"},
        {"correlation_id": "a\0b"},
        {"headers": {"schema-version": "1"}},
        {"headers": {"schema-version": True}},
        {"headers": {"expected-version": -1}},
        {"headers": {"expected-version": 1.0}},
        {"headers": {"expected-version": "3"}},
        {"undecodable": "timestamp out of range", "message_id": None, "type": None},
    ],
)
def test_an_envelope_that_is_wrong_is_an_invalid_message(properties: dict[str, Any]) -> None:
    assert code(refused(delivery(**properties))) == "invalid_message"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"user_id":"alice"} {}',
        b"[]",
        json.dumps(ALICE).encode("utf-16"),
        json.dumps(ALICE | {"name": "Zoë"}, ensure_ascii=False).encode("latin-1"),
        b"\xef\xbb\xbf" + json.dumps(ALICE).encode(),
        b'{"user_id":NaN}',
        b'{"user_id":1e400}',
        b'{"user_id":' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        json.dumps(ALICE)[:-1].encode() + b',"name":"again"}',
        json.dumps(ALICE | {"name": "a\0b"}).encode(),
        json.dumps(ALICE | {"name": "\ud800"}).encode(),
        json.dumps(ALICE | {"name": "x" * 1_000_000}).encode(),
        ALICE | {"admin": True},
        ALICE | {"name": ""},
        ALICE | {"name": "x" * 201},
        ALICE | {"name": 5},
        ALICE | {"user_id": "../etc"},
        ALICE | {"user_id": "alice\n"},
        ALICE | {"email": "alice"},
        ALICE | {"email": "a b@example.com"},
        ALICE | {"email": "a" * 320 + "@example.com"},
        {"user_id": "alice"},
    ],
)
def test_a_body_that_is_wrong_is_an_invalid_message(body: Any) -> None:
    arrival = refused(delivery(body, message_id=str(SOME_ID)))
    assert code(arrival) == "invalid_message"
    assert arrival.command_id == SOME_ID
    assert arrival.rejected is not None
    assert arrival.rejected.command_id == SOME_ID
    json.loads(arrival.rejected.model_dump_json())


def test_the_faulty_fields_are_named_without_their_values() -> None:
    arrival = refused(delivery(ALICE | {"email": "secret-value", "\u0007odd": 1}))
    assert arrival.rejected is not None
    details = arrival.rejected.error.details
    assert details is not None
    assert {fault["field"] for fault in details["errors"]} == {"email", "\u0007odd"}
    assert "secret-value" not in arrival.rejected.model_dump_json()


def test_a_type_nobody_handles_is_unknown() -> None:
    assert code(refused(delivery(type="PromoteUser"))) == "unknown_type"


def test_a_schema_version_nobody_knows_is_unsupported() -> None:
    assert code(refused(delivery(headers={"schema-version": 99}))) == "unsupported_version"


def test_the_same_content_has_the_same_hash_whatever_its_spelling() -> None:
    spelled = accepted(delivery(json.dumps(ALICE, indent=2, sort_keys=True).encode()))
    assert spelled.content_hash == accepted(delivery()).content_hash


@pytest.mark.parametrize(
    "other",
    [
        delivery(ALICE | {"name": "Alicia"}),
        delivery(headers={"expected-version": 0}),
        delivery({"user_id": "alice"}, type="DeactivateUser"),
    ],
)
def test_other_content_has_another_hash(other: Delivery) -> None:
    assert accepted(other).content_hash != accepted(delivery()).content_hash
