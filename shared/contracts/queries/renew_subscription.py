from typing import ClassVar

from shared.contracts.base import Query
from shared.contracts.fields import SubscriptionId
from shared.contracts.views import SubscriptionView


class RenewSubscription(Query):
    """Begins a live query's lease anew. Data: a `SubscriptionView`; `unknown` when it has ended.

    The process that holds it then sends a `SubscriptionRenewed` to where its updates go.
    """

    type: ClassVar[str] = "RenewSubscription"
    view: ClassVar = SubscriptionView

    subscription_id: SubscriptionId
