"""Between the services, not for clients: the event log as a whole, for read models to be built, checked, caught up."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from shared.contracts.base import Query
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.views import EventPage, View

MAX_PAGE = 5000
LARGEST_VERSION = 2**63 - 1

Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]


class LogPage(View):
    """Events in the order of their positions; `position` is where to go on from, `more` says that there are others."""

    events: list[CloudEvent]
    position: int
    more: bool


class ReadLog(Query):
    """A page of the log after a position (0: from its start), complete: no event will ever appear at or before the
    `position` of the answer.

    Data: a `LogPage`. One without `more` has reached the newest position of which that can be said; what is being
    written right now comes with a later page.
    """

    type: ClassVar[str] = "ReadLog"
    view: ClassVar = LogPage

    after: Annotated[int, Field(ge=0)]
    limit: Limit = MAX_PAGE


class ReadHistories(Query):
    """A page of all events of one type of aggregate, aggregate by aggregate: in the order of their ids, byte by byte,
    and of versions; after `after_version` of `after_id`, and then all ids beyond it.

    Data: an `EventPage`. A page may end in the middle of an aggregate.
    """

    type: ClassVar[str] = "ReadHistories"
    view: ClassVar = EventPage

    aggregate_type: Annotated[str, Field(min_length=1, max_length=64)]
    after_id: Annotated[str, Field(max_length=64)] = ""
    after_version: Annotated[int, Field(ge=0, le=LARGEST_VERSION)] = LARGEST_VERSION
    limit: Limit = MAX_PAGE


class Behind(View):
    """How much of the log lies after a position, and how old the first event of that is (0.0 where there is none)."""

    events: int
    seconds: float


class LogHead(View):
    """The newest event's position and time (0 and null of an empty log); nothing will ever appear up to `settled`."""

    position: int
    settled: int
    time: AwareDatetime | None = None
    behind: list[Behind]


class ReadLogHead(Query):
    """Where the log ends, and how far behind it each of these positions is. Data: a `LogHead`."""

    type: ClassVar[str] = "ReadLogHead"
    view: ClassVar = LogHead

    after: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=100)]


LOG_QUERIES: dict[str, type[Query]] = {query.type: query for query in (ReadLog, ReadHistories, ReadLogHead)}
