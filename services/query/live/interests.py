"""Which live queries a change is for."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from services.query.live.change import Change
from services.query.live.subscription import Subscription


class Interests:
    """By collection and, where a query is about one document, by its key: a change costs those that it is for."""

    def __init__(self) -> None:
        self._interested: defaultdict[tuple[str, Any], set[Subscription]] = defaultdict(set)
        self._kept_at: dict[Subscription, tuple[str, Any]] = {}

    def add(self, subscription: Subscription) -> None:
        follower = subscription.follower
        place = self._kept_at[subscription] = (follower.source().name, follower.key)
        self._interested[place].add(subscription)

    def remove(self, subscription: Subscription) -> None:
        place = self._kept_at.pop(subscription, None)
        if place is not None:
            self._interested[place].discard(subscription)
            if not self._interested[place]:
                del self._interested[place]

    def in_change(self, change: Change) -> Iterable[Subscription]:
        for key in (change.key, None):
            if (place := (change.collection, key)) in self._interested:
                yield from tuple(self._interested[place])

    def look_again(self) -> None:
        """Read models may have other generations now, in other collections."""
        subscriptions = list(self._kept_at)
        self._interested.clear()
        for subscription in subscriptions:
            self.add(subscription)
