"""The users of a batch, and who owns which e-mail address among all users."""

from collections.abc import Mapping

from services.command.aggregates import Aggregates, Recorded
from services.command.domain.decision import Decision, Rejection
from services.command.domain.user import User, evolve
from shared.contracts.fields import email_key


class Users(Aggregates[User]):
    """`email_owners` maps the `email_key` of each address that the batch asks for to the user that has it."""

    def __init__(self, loaded: Mapping[str, tuple[User, int]], email_owners: Mapping[str, str]) -> None:
        super().__init__("user", evolve, loaded)
        self._email_owners = dict(email_owners)

    def email_owner(self, email: str) -> str | None:
        return self._email_owners.get(email_key(email))

    def record(self, aggregate_id: str, decision: Decision) -> Recorded | Rejection:
        before = self.load(aggregate_id)
        recorded = super().record(aggregate_id, decision)
        after = self.load(aggregate_id)
        if after is not None and after is not before:
            if before is not None:
                self._email_owners.pop(email_key(before.email), None)
            self._email_owners[email_key(after.email)] = aggregate_id
        return recorded
