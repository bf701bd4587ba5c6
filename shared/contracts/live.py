"""Live queries: what goes with a query that is asked once and answered again whenever its answer changes.

The query has header `subscribe: true`. The first answer, a `QueryAnswer`, and every `QueryUpdate` after it go to the
query's `reply_to` with its `correlation_id`, and have the headers `subscription-id`, `sequence` (0, 1, 2 …: who sees
one again drops it) and `resume-token`.
"""

from typing import Final

UPDATE_TYPE: Final = "QueryUpdate"
"""Its body is that of an answer, with the query's `update_view` for data; `subscription_ended` is the last one."""
RENEWED_TYPE: Final = "SubscriptionRenewed"
"""From the process that holds the subscription, after a `RenewSubscription`: so it is still there. No body."""

SUBSCRIBE_HEADER: Final = "subscribe"
LEASE_HEADER: Final = "lease-ms"
"""Wanted by a query; granted by the first answer. A subscription that isn't renewed for that long ends."""
RESUME_HEADER: Final = "resume-token"
"""Of a query: goes on after the message that had this token."""
RESUMED_HEADER: Final = "resumed"
"""Of the first answer to a query with a resume token: whether nothing is missing in between."""
SUBSCRIPTION_HEADER: Final = "subscription-id"
SEQUENCE_HEADER: Final = "sequence"

DEFAULT_LEASE_MS: Final = 30_000
SHORTEST_LEASE_MS: Final = 1_000
LONGEST_LEASE_MS: Final = 300_000
