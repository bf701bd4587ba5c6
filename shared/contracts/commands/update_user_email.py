from typing import ClassVar

from shared.contracts.base import Command
from shared.contracts.fields import Email, UserId


class UpdateUserEmail(Command):
    """Change the e-mail address of an account."""

    type: ClassVar[str] = "UpdateUserEmail"
    aggregate_type: ClassVar[str] = "user"

    user_id: UserId
    new_email: Email

    @property
    def aggregate_id(self) -> str:
        return self.user_id
