"""The world failing a client. (A rejected command and a question that has no answer are values, not errors.)"""

from collections.abc import Mapping
from uuid import UUID

from shared.messaging.ports import PublishFailure


class ClientError(Exception):
    """Base of everything that `CqrsClient` raises for the world's sake. The message is one line without secrets."""


class NotConnectedError(ClientError):
    """The broker can't be reached, or refuses us."""


class CommandsNotSentError(ClientError):
    """These commands are not known to be with the broker, in spite of repeats.

    `failures` has them by command id. Sending one again is safe as long as its `command_id` is the same.
    """

    def __init__(self, failures: Mapping[UUID, PublishFailure]) -> None:
        self.failures = dict(failures)
        command_id, failure = next(iter(self.failures.items()))
        others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        super().__init__(f"command {command_id}{others} not sent: {_WHY[failure]}")


class OutcomeTimeoutError(ClientError):
    """No outcome in time. The command may still be applied.

    Ask `GetCommandStatus` for `command_id`, or send the command again with it: it is applied once all the same.
    """

    def __init__(self, command_id: UUID, seconds: float) -> None:
        self.command_id = command_id
        super().__init__(f"no outcome within {seconds:g} s for command {command_id}; it may still be applied")


class AnswerTimeoutError(ClientError):
    """No answer in time, or no connection for that long."""


class QueryNotSentError(ClientError):
    """Nobody is there to ask."""


class NotTheContractError(ClientError):
    """A reply that is not what the contract says."""


class SubscriptionLostError(ClientError):
    """The connection of a subscription is gone, and its queue with it: events may be missed. Subscribe again."""


_WHY = {
    PublishFailure.UNROUTABLE: "the broker has no queue for it; has the system been set up?",
    PublishFailure.REFUSED: "the broker refused it: a queue is full or failed",
    PublishFailure.UNCONFIRMED: "the broker did not confirm it in time; it may have arrived all the same",
}
