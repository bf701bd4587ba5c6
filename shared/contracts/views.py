"""The shapes of the data that queries are answered with."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.cloud_event import CloudEvent


class View(BaseModel):
    """Read with tolerance: a client keeps working when an answer gains a field."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UserView(View):
    """A user as the read model knows it."""

    user_id: str
    name: str
    email: str
    status: Literal["active", "deactivated"]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int


class UserPage(View):
    """A page of users; `next_cursor` is absent on the last page."""

    items: list[UserView]
    next_cursor: str | None = None


class CommandStatusView(View):
    """What became of a command: `version` when accepted, `code` when rejected."""

    command_id: UUID
    status: Literal["accepted", "rejected", "unknown"]
    aggregate_id: str | None = None
    version: int | None = None
    code: str | None = None


class EventPage(View):
    """Events of the log; `more` says that the limit cut the page."""

    events: list[CloudEvent]
    more: bool
