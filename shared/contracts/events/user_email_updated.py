from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.fields import UserId


class UserEmailUpdated(Event):
    """The e-mail address of an account changed."""

    type: ClassVar[str] = "UserEmailUpdated"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    old_email: str
    new_email: str
