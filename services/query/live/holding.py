"""The live queries that a process holds, and their ends."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from pymongo.errors import PyMongoError

from services.query.cancelled import cancelled
from services.query.live.change import Change
from services.query.live.courier import AskerGoneError, Courier
from services.query.live.follower import Update
from services.query.live.interests import Interests
from services.query.live.lease_book import LeaseBook
from services.query.live.subscription import Subscription
from services.query.metrics import QueryMetrics
from shared.contracts.answer import AnswerError, ErrorCode, Failed
from shared.messaging.envelope import Envelope

logger = structlog.stdlib.get_logger(__name__)

GOODBYE_SECONDS = 2.0


class Holding:
    """Told of every change by the change feed: `changed` and `missed` are quick, and never raise."""

    def __init__(self, book: LeaseBook, courier: Courier, metrics: QueryMetrics) -> None:
        self._book = book
        self._courier = courier
        self._metrics = metrics
        self._held: dict[UUID, Subscription] = {}
        self._interests = Interests()
        self._endings: set[asyncio.Task[None]] = set()
        self.missed_some = False
        """Renewals and cancellations, too, may have been missed."""

    @property
    def all(self) -> Sequence[Subscription]:
        return tuple(self._held.values())

    def get(self, subscription_id: UUID) -> Subscription | None:
        return self._held.get(subscription_id)

    def hold(self, subscription: Subscription) -> None:
        """From now on it is told of changes."""
        self._held[subscription.id] = subscription
        self._interests.add(subscription)
        self._metrics.live_subscriptions.labels(subscription.query_type).inc()

    def drop(self, subscription: Subscription) -> bool:
        """False when it was not held any more."""
        self._interests.remove(subscription)
        if self._held.pop(subscription.id, None) is None:
            return False
        self._metrics.live_subscriptions.labels(subscription.query_type).dec()
        return True

    def end(self, subscription: Subscription, reason: str, *, tell: bool) -> None:
        """`tell` its asker, too, so that he asks again where that helps."""
        if not self.drop(subscription):
            return
        self._metrics.live_ended.labels(reason).inc()
        logger.info("live query ended", type=subscription.query_type, subscription=str(subscription.id), reason=reason)
        self._start(self._finish(subscription, reason, tell=tell))

    async def end_all(self) -> None:
        for subscription in self.all:
            self.end(subscription, "stopped", tell=True)
        if self._endings:
            await asyncio.wait(self._endings, timeout=GOODBYE_SECONDS)
        for ending in self._endings:
            ending.cancel()

    def changed(self, change: Change) -> None:
        if change.collection == self._book.name:
            self._lease_changed(change)
            return
        for subscription in self._interests.in_change(change):
            if not subscription.offer(change):
                self.end(subscription, "slow", tell=True)

    def missed(self) -> None:
        self._interests.look_again()
        self.missed_some = True
        for subscription in self.all:
            subscription.miss()

    def _lease_changed(self, change: Change) -> None:
        subscription = self._held.get(UUID(change.key))
        if subscription is None:
            return
        if change.deleted:
            self.end(subscription, "cancelled", tell=True)
        elif change.document is None:  # an update: a renewal (the entry itself is an insert)
            subscription.renew()
            self._start(self._say(subscription.renewed()))

    async def _finish(self, subscription: Subscription, reason: str, *, tell: bool) -> None:
        if subscription.work is not None:
            await cancelled(subscription.work)
        if tell:
            error = AnswerError(
                code=ErrorCode.SUBSCRIPTION_ENDED, message=f"ended: {reason}", retryable=reason != "cancelled"
            )
            await self._say(subscription.following(Update(Failed(error=error), "")))
        with suppress(PyMongoError):
            await self._book.remove([subscription.id])

    async def _say(self, message: Envelope) -> None:
        """To somebody who may have gone."""
        with suppress(AskerGoneError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._courier.bring([message])

    def _start(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending, name="live query's end")
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
