"""Brings one asker the first answer and then its updates, each after the one before."""

import asyncio
from collections.abc import Sequence

import structlog
from pymongo.errors import PyMongoError

from services.query.live.courier import Courier
from services.query.live.follower import Beginning, Update
from services.query.live.subscription import Subscription
from services.query.metrics import QueryMetrics
from services.query.projector.event_log import EventLogUnavailableError
from shared.messaging.backoff import Backoff

logger = structlog.stdlib.get_logger(__name__)

WORLD_FAILING = (PyMongoError, EventLogUnavailableError)


class Serving:
    def __init__(self, courier: Courier, metrics: QueryMetrics, *, backoff: Backoff | None = None) -> None:
        self._courier = courier
        self._metrics = metrics
        self._backoff = backoff or Backoff()

    async def serve(self, subscription: Subscription, beginning: Beginning, *, resumed: bool | None) -> None:
        """Until it is cancelled. `resumed`: None when nobody wanted that. Raises AskerGoneError."""
        first, *others = beginning.updates
        await self._courier.bring([subscription.first(first, resumed=resumed)])
        await self._bring(subscription, others)
        while True:
            await subscription.news()
            await self._bring(subscription, await self._updates(subscription))
            if subscription.follower.pause:
                await asyncio.sleep(subscription.follower.pause)

    async def _bring(self, subscription: Subscription, updates: Sequence[Update]) -> None:
        if updates:
            await self._courier.bring([subscription.following(update) for update in updates])
            self._metrics.live_updates.labels(subscription.query_type).inc(len(updates))

    async def _updates(self, subscription: Subscription) -> Sequence[Update]:
        """What has happened, as often tried as it takes: until then nothing later is sent."""
        changes = subscription.take()
        attempt = 0
        while True:
            anew, subscription.missed = subscription.missed, False
            try:
                if anew:
                    return await subscription.follower.again()
                return await subscription.follower.next(changes)
            except WORLD_FAILING as error:
                subscription.missed |= anew
                attempt += 1
                if attempt == 1:
                    logger.warning("a live query waits", type=subscription.query_type, error=type(error).__name__)
                await asyncio.sleep(self._backoff.delay(attempt))
