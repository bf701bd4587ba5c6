from typing import ClassVar, Literal

from shared.contracts.base import Query
from shared.contracts.queries.paging import Cursor, PageSize
from shared.contracts.views import UserPage, UserPageUpdate


class GetAllUsers(Query):
    """A page of users. Data: a `UserPage`; error `bad_cursor`.

    `sort` names the order (`-` for descending); users that tie follow in the order of their ids. `cursor` is the
    `next_cursor` of the page before, and goes with the same `sort` and `status`.
    """

    type: ClassVar[str] = "GetAllUsers"
    view: ClassVar = UserPage
    update_view: ClassVar = UserPageUpdate

    limit: PageSize = 50
    cursor: Cursor | None = None
    status: Literal["active", "deactivated"] | None = None
    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
