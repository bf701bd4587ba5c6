from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Query
from shared.contracts.views import UserPage

MAX_PAGE = 500


class GetAllUsers(Query):
    """A page of users. Data: a `UserPage`; error `bad_cursor`.

    `sort` names the order (`-` for descending); users that tie follow in the order of their ids. `cursor` is the
    `next_cursor` of the page before, and goes with the same `sort` and `status`.
    """

    type: ClassVar[str] = "GetAllUsers"
    view: ClassVar = UserPage

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    status: Literal["active", "deactivated"] | None = None
    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
