"""What a message on a projection's queue turns out to be."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from services.query.domain_event import DomainEvent, domain_event
from services.query.read_model import TimedOutcome
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.outcome import OUTCOME, OUTCOME_TYPE
from shared.messaging.envelope import Delivery

T = TypeVar("T")

MAX_ID_LENGTH = 64


class UnreadableMessageError(Exception):
    """The message can never be projected: `reason` is a stable code, `detail` what is wrong without its content."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def read_event(delivery: Delivery) -> DomainEvent:
    """The domain event in a message. Raises UnreadableMessageError."""
    envelope = _parse(CloudEvent.model_validate_json, delivery)
    if envelope.aggregateversion < 1:
        raise UnreadableMessageError("invalid_message", "aggregateversion: must be 1 or more")
    if not 1 <= len(envelope.aggregateid) <= MAX_ID_LENGTH:
        raise UnreadableMessageError("invalid_message", f"aggregateid: must have 1 to {MAX_ID_LENGTH} characters")
    return domain_event(envelope)


def read_event_or_outcome(delivery: Delivery) -> DomainEvent | TimedOutcome:
    """Raises UnreadableMessageError."""
    if delivery.type == OUTCOME_TYPE:
        return TimedOutcome(_parse(OUTCOME.validate_json, delivery), delivery.timestamp)
    return read_event(delivery)


def _parse(parse: Callable[[bytes], T], delivery: Delivery) -> T:
    if delivery.undecodable is not None:
        raise UnreadableMessageError("invalid_message", delivery.undecodable)
    if delivery.content_encoding:
        raise UnreadableMessageError("invalid_message", "content_encoding: must not be set")
    try:
        return parse(delivery.body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UnreadableMessageError("invalid_message", f"{field}: {first['msg']}" if field else first["msg"]) from None
