from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.fields import UserId


class UserRenamed(Event):
    """The name on an account changed."""

    type: ClassVar[str] = "UserRenamed"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    old_name: str
    new_name: str
