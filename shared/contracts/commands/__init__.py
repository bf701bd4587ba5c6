"""The catalogue of every command, by its name on the wire."""

from shared.contracts.base import Command
from shared.contracts.commands.create_user import CreateUser
from shared.contracts.commands.deactivate_user import DeactivateUser
from shared.contracts.commands.reactivate_user import ReactivateUser
from shared.contracts.commands.rename_user import RenameUser
from shared.contracts.commands.update_user_email import UpdateUserEmail

COMMANDS: dict[str, type[Command]] = {
    contract.type: contract
    for contract in (
        CreateUser,
        UpdateUserEmail,
        RenameUser,
        DeactivateUser,
        ReactivateUser,
    )
}

__all__ = [
    "COMMANDS",
    "CreateUser",
    "DeactivateUser",
    "ReactivateUser",
    "RenameUser",
    "UpdateUserEmail",
]
