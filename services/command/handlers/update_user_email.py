from services.command.aggregates import Recorded
from services.command.domain.decision import Rejection
from services.command.domain.user import Facts, decide
from services.command.handlers.users import Users
from shared.contracts.commands import UpdateUserEmail


def update_user_email(command: UpdateUserEmail, users: Users) -> Recorded | Rejection:
    user = users.load(command.user_id)
    decision = decide(user, command, Facts(email_owner=users.email_owner(command.new_email)))
    return users.record(command.user_id, decision)
