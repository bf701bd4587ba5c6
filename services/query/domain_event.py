"""An event as the read side sees it: read with tolerance, because it may come from a newer command service."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.base import Event
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.events import EVENTS


@dataclass(slots=True)
class DomainEvent:
    """`data` is None for a type that this service does not know, and where `fault` says why it could not be read.

    Nobody changes one: it isn't frozen only because that makes it dearer to build. `time` is to the millisecond, which
    is what MongoDB keeps: so that a document read back equals the one that was folded.
    """

    envelope: CloudEvent = field(repr=False, compare=False)
    data: Event | None
    fault: str | None = None
    id: UUID = field(init=False)
    type: str = field(init=False)
    aggregate_type: str = field(init=False)
    aggregate_id: str = field(init=False)
    version: int = field(init=False)
    position: int = field(init=False)
    time: datetime = field(init=False)
    correlation_id: str | None = field(init=False)
    causation_id: UUID | None = field(init=False)
    actor: str | None = field(init=False)

    def __post_init__(self) -> None:
        envelope = self.envelope
        self.id = envelope.id
        self.type = envelope.type
        self.aggregate_type = envelope.aggregatetype
        self.aggregate_id = envelope.aggregateid
        self.version = envelope.aggregateversion
        self.position = envelope.position
        self.time = envelope.time.replace(microsecond=envelope.time.microsecond // 1000 * 1000)
        self.correlation_id = envelope.correlationid
        self.causation_id = envelope.causationid
        self.actor = envelope.actor

    def without_envelope(self) -> Self:
        """Itself, for whoever has many of them wait: all that is projected is here, in half the memory."""
        del self.envelope
        return self


def domain_event(envelope: CloudEvent) -> DomainEvent:
    """Reads the event's data by its contract. Never raises: what can't be read is a fault of that one event."""
    contract = EVENTS.get(envelope.type)
    if contract is None:
        return DomainEvent(envelope, None)
    if envelope.schemaversion != contract.schema_version:
        return DomainEvent(envelope, None, f"schema version {envelope.schemaversion} of {envelope.type} is not known")
    try:
        return DomainEvent(envelope, contract.model_validate(envelope.data))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return DomainEvent(envelope, None, f"data.{field}: {first['msg']}")
