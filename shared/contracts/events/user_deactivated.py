from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.fields import UserId


class UserDeactivated(Event):
    """An account was closed."""

    type: ClassVar[str] = "UserDeactivated"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    reason: str | None = None
