"""The envelope of a domain event: CloudEvents 1.0 in its JSON format (https://github.com/cloudevents/spec)."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

CONTENT_TYPE = "application/cloudevents+json"
SOURCE = "/command-service"


class CloudEvent(BaseModel):
    """One domain event as it is published and kept in the log.

    `aggregateversion` counts 1, 2, 3 … without holes per aggregate: what a consumer goes by. `position` is the
    event's number in the log: unique and roughly in time order, but neither dense nor in the order of commits.
    """

    # "keys": a cache of values, pydantic's default, would keep the last 16,384 ids of no further use.
    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")

    specversion: str = "1.0"
    id: UUID
    source: str = SOURCE
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: str = "application/json"
    aggregatetype: str
    aggregateid: str
    aggregateversion: int
    schemaversion: int = 1
    position: int
    correlationid: str | None = None
    causationid: UUID | None = None
    actor: str | None = None
    data: dict[str, Any]


def subject(aggregate_type: str, aggregate_id: str) -> str:
    """`user/alice`: how an event and a consistency token name an aggregate."""
    return f"{aggregate_type}/{aggregate_id}"


def routing_key(aggregate_type: str, event_type: str) -> str:
    """`user.UserCreated`: what subscribers bind to."""
    return f"{aggregate_type}.{event_type}"
