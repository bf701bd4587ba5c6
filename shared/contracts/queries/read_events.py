"""Between the services, not for clients: how a projector mends its gaps from the event log."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Query
from shared.contracts.views import EventPage

MAX_EVENTS = 1000


class AggregateCursor(BaseModel):
    """An aggregate, and the last version of it that the asker has (0: none)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    aggregate_type: Annotated[str, Field(min_length=1, max_length=64)]
    aggregate_id: Annotated[str, Field(min_length=1, max_length=64)]
    after_version: Annotated[int, Field(ge=0)]


class ReadEvents(Query):
    """A page of the event log: for each aggregate its events after a version, oldest first.

    Data: an `EventPage`. When `more` is true, ask again with each `after_version` moved to the last one received.
    """

    type: ClassVar[str] = "ReadEvents"
    view: ClassVar = EventPage

    aggregates: Annotated[list[AggregateCursor], Field(min_length=1, max_length=500)]
    limit: Annotated[int, Field(ge=1, le=MAX_EVENTS)] = MAX_EVENTS
