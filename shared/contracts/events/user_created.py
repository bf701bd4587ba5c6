from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.fields import UserId


class UserCreated(Event):
    """An account was opened."""

    type: ClassVar[str] = "UserCreated"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    name: str
    email: str
