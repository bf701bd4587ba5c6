from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import Email
from shared.contracts.views import UserView


class GetUserByEmail(Query):
    """One user, by e-mail address without regard to case. Data: a `UserView`; error `user_not_found`."""

    type: ClassVar[str] = "GetUserByEmail"
    view: ClassVar = UserView

    email: Email
