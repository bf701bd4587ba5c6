from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import UserId
from shared.contracts.views import UserView


class GetUserById(Query):
    """One user. Data: a `UserView`; error `user_not_found`."""

    type: ClassVar[str] = "GetUserById"
    view: ClassVar = UserView
    update_view: ClassVar = UserView

    user_id: UserId
