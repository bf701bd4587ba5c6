from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import SubscriptionId
from shared.contracts.views import SubscriptionView


class CancelSubscription(Query):
    """Ends a live query. Data: a `SubscriptionView`; `unknown` when it had ended already."""

    type: ClassVar[str] = "CancelSubscription"
    view: ClassVar = SubscriptionView

    subscription_id: SubscriptionId
