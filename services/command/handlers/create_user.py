from services.command.aggregates import Recorded
from services.command.domain.decision import Rejection
from services.command.domain.user import Facts, decide
from services.command.handlers.users import Users
from shared.contracts.commands import CreateUser


def create_user(command: CreateUser, users: Users) -> Recorded | Rejection:
    user = users.load(command.user_id)
    decision = decide(user, command, Facts(email_owner=users.email_owner(command.email)))
    return users.record(command.user_id, decision)
