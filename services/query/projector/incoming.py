"""What a message on a projection's queue turns out to be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from services.query.domain_event import DomainEvent, domain_event
from services.query.read_model import TimedOutcome
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.outcome import OUTCOME, OUTCOME_TYPE, OUTCOMES_TYPE, Outcomes
from shared.messaging.envelope import Delivery

T = TypeVar("T")

MAX_ID_LENGTH = 64
OUTCOME_BYTES = 200
"""What an outcome takes in a message, roughly."""


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
    return domain_event(envelope).without_envelope()


@dataclass(frozen=True, slots=True)
class Told:
    """What a message tells of, and the largest position in the log that is in it, if any."""

    happenings: Sequence[DomainEvent | TimedOutcome]
    position: int | None


def read_event_or_outcomes(delivery: Delivery) -> Told:
    """What an earlier version of the command service has sent may still be in the queue: events, and outcomes one by
    one. Raises UnreadableMessageError.
    """
    if delivery.type == OUTCOMES_TYPE:
        told = _parse(Outcomes.model_validate_json, delivery)
        time = told.time.replace(microsecond=told.time.microsecond // 1000 * 1000)
        return Told([TimedOutcome(outcome, time) for outcome in told.outcomes], told.position)
    if delivery.type == OUTCOME_TYPE:
        return Told([TimedOutcome(_parse(OUTCOME.validate_json, delivery), delivery.timestamp)], None)
    event = read_event(delivery)
    return Told([event], event.position)


def number_of_outcomes(delivery: Delivery) -> int:
    """Roughly, and without reading the message."""
    return max(1, len(delivery.body) // OUTCOME_BYTES)


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
