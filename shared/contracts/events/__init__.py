"""The catalogue of every domain event, by its name on the wire."""

from shared.contracts.base import Event
from shared.contracts.events.user_created import UserCreated
from shared.contracts.events.user_deactivated import UserDeactivated
from shared.contracts.events.user_email_updated import UserEmailUpdated
from shared.contracts.events.user_reactivated import UserReactivated
from shared.contracts.events.user_renamed import UserRenamed

EVENTS: dict[str, type[Event]] = {
    contract.type: contract
    for contract in (
        UserCreated,
        UserEmailUpdated,
        UserRenamed,
        UserDeactivated,
        UserReactivated,
    )
}

__all__ = [
    "EVENTS",
    "UserCreated",
    "UserDeactivated",
    "UserEmailUpdated",
    "UserReactivated",
    "UserRenamed",
]
