from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import UserId
from shared.contracts.queries.paging import Cursor, PageSize
from shared.contracts.views import HistoryPage


class GetUserHistory(Query):
    """Who changed what of a user, when, by which command. Data: a `HistoryPage`; errors `user_not_found`, `bad_cursor`.

    Newest first. `cursor` is the `next_cursor` of the page before, and goes with the same user.
    """

    type: ClassVar[str] = "GetUserHistory"
    view: ClassVar = HistoryPage

    user_id: UserId
    limit: PageSize = 50
    cursor: Cursor | None = None
