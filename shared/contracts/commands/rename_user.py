from typing import ClassVar

from shared.contracts.base import Command
from shared.contracts.fields import Name, UserId


class RenameUser(Command):
    """Change the name on an account."""

    type: ClassVar[str] = "RenameUser"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    name: Name

    @property
    def aggregate_id(self) -> str:
        return self.user_id
