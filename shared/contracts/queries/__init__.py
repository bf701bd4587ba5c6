"""The catalogue of every query that a client may ask, by its name on the wire."""

from shared.contracts.base import Query
from shared.contracts.queries.cancel_subscription import CancelSubscription
from shared.contracts.queries.get_all_users import GetAllUsers
from shared.contracts.queries.get_command_status import GetCommandStatus
from shared.contracts.queries.get_signup_stats import GetSignupStats
from shared.contracts.queries.get_user_by_email import GetUserByEmail
from shared.contracts.queries.get_user_by_id import GetUserById
from shared.contracts.queries.get_user_history import GetUserHistory
from shared.contracts.queries.renew_subscription import RenewSubscription
from shared.contracts.queries.search_users import SearchUsers

QUERIES: dict[str, type[Query]] = {
    contract.type: contract
    for contract in (
        GetUserById,
        GetUserByEmail,
        GetAllUsers,
        SearchUsers,
        GetUserHistory,
        GetSignupStats,
        GetCommandStatus,
        RenewSubscription,
        CancelSubscription,
    )
}

__all__ = [
    "QUERIES",
    "CancelSubscription",
    "GetAllUsers",
    "GetCommandStatus",
    "GetSignupStats",
    "GetUserByEmail",
    "GetUserById",
    "GetUserHistory",
    "RenewSubscription",
    "SearchUsers",
]
