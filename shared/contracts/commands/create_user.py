from typing import ClassVar

from shared.contracts.base import Command
from shared.contracts.fields import Email, Name, UserId


class CreateUser(Command):
    """Open an account."""

    type: ClassVar[str] = "CreateUser"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    name: Name
    email: Email

    @property
    def aggregate_id(self) -> str:
        return self.user_id
