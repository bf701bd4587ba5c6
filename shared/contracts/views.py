"""The shapes of the data that queries are answered with."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

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


class UserChange(View):
    """`user` is null when the one with this id no longer is (or still is not) among those that were asked for."""

    user_id: str
    user: UserView | None = None


class UserPageUpdate(View):
    """Changes, oldest first, of the users that the page's filter lets through, on whatever page they are.

    Where not every change is known any more, `page` is the page anew instead: what was seen before is to be forgotten.
    """

    changes: list[UserChange]
    page: UserPage | None = None


class SubscriptionView(View):
    """A live query, and what has become of it."""

    subscription_id: UUID
    status: Literal["active", "cancelled", "unknown"]


class Change(View):
    """A field of a user before and after, null where there was or is nothing; `from` on the wire."""

    model_config = ConfigDict(serialize_by_alias=True)

    field: str
    before: str | None = Field(default=None, alias="from")
    after: str | None = Field(default=None, alias="to")


class HistoryEntry(View):
    """What an event changed; `causation_id` is the command's, `actor` who sent that, where known."""

    version: int
    time: AwareDatetime
    type: str
    changes: list[Change]
    actor: str | None = None
    causation_id: UUID | None = None
    correlation_id: str | None = None
    event_id: UUID


class HistoryPage(View):
    """A page of a user's history, newest first; `next_cursor` is absent on the last page."""

    items: list[HistoryEntry]
    next_cursor: str | None = None


class SignupBucket(View):
    """A day or month of UTC, named by its first day; `active_total` is how many were active at its end."""

    bucket: date
    signups: int
    deactivations: int
    reactivations: int
    active_total: int


class SignupStats(View):
    """Buckets without a hole, oldest first."""

    items: list[SignupBucket]


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
