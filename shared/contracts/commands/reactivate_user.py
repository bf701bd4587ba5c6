from typing import ClassVar

from shared.contracts.base import Command
from shared.contracts.fields import UserId


class ReactivateUser(Command):
    """Open a closed account again."""

    type: ClassVar[str] = "ReactivateUser"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId

    @property
    def aggregate_id(self) -> str:
        return self.user_id
