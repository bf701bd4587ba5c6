"""Answers `RenewSubscription` and `CancelSubscription`, in whichever process they arrive."""

from services.query.freshness.demand import Demand
from services.query.live.live_queries import LiveQueries
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.queries import CancelSubscription, RenewSubscription


class RenewSubscriptionHandler:
    def __init__(self, live: LiveQueries) -> None:
        self._live = live

    async def __call__(self, query: RenewSubscription, _demand: Demand) -> Answered | Failed:
        status = "active" if await self._live.renew(query.subscription_id) else "unknown"
        return Answered(data={"subscription_id": query.subscription_id, "status": status}, as_of=AsOf())


class CancelSubscriptionHandler:
    def __init__(self, live: LiveQueries) -> None:
        self._live = live

    async def __call__(self, query: CancelSubscription, _demand: Demand) -> Answered | Failed:
        status = "cancelled" if await self._live.cancel(query.subscription_id) else "unknown"
        return Answered(data={"subscription_id": query.subscription_id, "status": status}, as_of=AsOf())
