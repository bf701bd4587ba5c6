from typing import ClassVar

from shared.contracts.base import Event
from shared.contracts.fields import UserId


class UserReactivated(Event):
    """A closed account was opened again."""

    type: ClassVar[str] = "UserReactivated"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
