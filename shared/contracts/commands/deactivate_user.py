from typing import ClassVar

from shared.contracts.base import Command
from shared.contracts.fields import Reason, UserId


class DeactivateUser(Command):
    """Close an account; it can be opened again with `ReactivateUser`."""

    type: ClassVar[str] = "DeactivateUser"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    reason: Reason | None = None

    @property
    def aggregate_id(self) -> str:
        return self.user_id
