from services.command.aggregates import Recorded
from services.command.domain.decision import Rejection
from services.command.domain.user import Facts, decide
from services.command.handlers.users import Users
from shared.contracts.commands import RenameUser


def rename_user(command: RenameUser, users: Users) -> Recorded | Rejection:
    user = users.load(command.user_id)
    decision = decide(user, command, Facts())
    return users.record(command.user_id, decision)
