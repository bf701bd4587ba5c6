"""From a delivery to a command that keeps its contract, or to the reason why it never will."""

import re
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.command.command_bus import CommandBus
from services.command.ids import read_id
from services.command.pipeline.arrivals import CommandArrived, Unprocessable
from services.command.pipeline.content_hash import content_hash
from services.command.pipeline.dead_letter import dead_letter, storable
from shared.contracts.base import Command
from shared.contracts.outcome import Rejected, RejectionCode, RejectionError
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery

MAX_FAULTS = 10
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class _FaultError(Exception):
    """Ends the reading of a message that can never work."""

    def __init__(self, code: RejectionCode, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error = RejectionError(code=code, message=message, details=details)


def receive_command(bus: CommandBus, delivery: Delivery) -> CommandArrived | Unprocessable:
    """Checks envelope and body. `content_type`, `priority` and `timestamp` say nothing that matters and are ignored.

    A routing key other than the aggregate's id is let pass: it costs the command its place in the order, nothing else.
    """
    command_id: UUID | None = None
    try:
        if delivery.undecodable is not None:
            raise _invalid(f"properties can't be read: {delivery.undecodable}")
        command_id = _command_id(delivery)
        schema_version = _integer_header(delivery, "schema-version", 1)
        expected_version = _integer_header(delivery, "expected-version", None)
        if delivery.correlation_id is not None and "\0" in delivery.correlation_id:
            raise _invalid("correlation_id holds a NUL")
        contract = _contract(bus, delivery, schema_version or 0)
        if delivery.content_encoding not in (None, "", "identity"):
            raise _invalid("content_encoding is not supported: send the body as it is")
        document = _document(delivery)
        command = _command(contract, document)
        return CommandArrived(
            delivery=delivery,
            command_id=command_id,
            command=command,
            expected_version=expected_version,
            content_hash=content_hash(contract.type, contract.schema_version, expected_version, document),
            traceparent=_traceparent(delivery),
        )
    except _FaultError as fault:
        return _unprocessable(delivery, command_id, fault.error)


def _command_id(delivery: Delivery) -> UUID:
    if not delivery.message_id:
        raise _invalid("there is no message_id")
    if _UUID.fullmatch(delivery.message_id) is None:
        raise _invalid("message_id is not a UUID")
    return read_id(delivery.message_id)


def _integer_header(delivery: Delivery, name: str, default: int | None) -> int | None:
    value = delivery.headers.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _invalid(f"header {name} is not a whole number from 0")
    return value


def _contract(bus: CommandBus, delivery: Delivery, schema_version: int) -> type[Command]:
    if not delivery.type:
        raise _invalid("there is no type")
    contract = bus.contract(delivery.type, schema_version)
    if contract is RejectionCode.UNKNOWN_TYPE:
        raise _FaultError(RejectionCode.UNKNOWN_TYPE, "there is no command of this type")
    if contract is RejectionCode.UNSUPPORTED_VERSION:
        raise _FaultError(RejectionCode.UNSUPPORTED_VERSION, f"schema-version {schema_version} is not supported")
    assert isinstance(contract, type)  # noqa: S101 - for the type checker
    return contract


def _document(delivery: Delivery) -> dict[str, Any]:
    try:
        return decode_json(delivery.body)
    except UndecodableBodyError as error:
        raise _invalid(error.reason) from None


def _command(contract: type[Command], document: dict[str, Any]) -> Command:
    try:
        return contract.model_validate(document)
    except ValidationError as error:
        # Names fields and rules, never values: this goes to logs and to the outcomes that others can see.
        faults = [
            {"field": storable(".".join(map(str, fault["loc"])))[:100], "message": storable(fault["msg"])[:200]}
            for fault in error.errors(include_url=False, include_input=False, include_context=False)[:MAX_FAULTS]
        ]
        summary = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        raise _FaultError(RejectionCode.INVALID_MESSAGE, summary, {"errors": faults}) from None


def _traceparent(delivery: Delivery) -> str | None:
    value = delivery.headers.get("traceparent")
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def _invalid(message: str) -> _FaultError:
    return _FaultError(RejectionCode.INVALID_MESSAGE, message)


def _unprocessable(delivery: Delivery, command_id: UUID | None, error: RejectionError) -> Unprocessable:
    return Unprocessable(
        delivery=delivery,
        letter=dead_letter(delivery, error.code, error.message),
        command_id=command_id,
        rejected=Rejected(command_id=command_id, error=error),
    )
