"""The live queries that this process holds: from the question with `subscribe: true` to the end of the last one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.change_feed import ChangeFeed
from services.query.live.courier import AskerGoneError, Courier
from services.query.live.follower import Ask, Beginning, Follower, Update
from services.query.live.interests import Interests
from services.query.live.lease_book import LeaseBook
from services.query.live.presence import Presence
from services.query.live.request import LiveRequest
from services.query.live.subscription import Subscription
from services.query.metrics import QueryMetrics
from services.query.mongo.collections import CollectionSource, Database
from services.query.projector.event_log import EventLogUnavailableError
from services.query.query_bus import QueryBus, fault_of
from shared.contracts.answer import Answered, AnswerError, ErrorCode, Failed
from shared.contracts.base import Query
from shared.contracts.queries import QUERIES
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery, Envelope

logger = structlog.stdlib.get_logger(__name__)

QueryT = TypeVar("QueryT", bound=Query)
WORLD_FAILING = (PyMongoError, EventLogUnavailableError)
TICK_SECONDS = 1.0
LOOK_AFTER_SECONDS = 5.0
OPEN_SECONDS = 2.0
GOODBYE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of live queries: in this process, and for one reply address."""

    in_all: int = 2_000
    per_asker: int = 500


class LiveQueries:
    """`register` what can be followed; `subscribe` answers; `run` sees to leases and to askers who are gone."""

    def __init__(
        self,
        bus: QueryBus,
        database: Database,
        book: LeaseBook,
        courier: Courier,
        presence: Presence,
        metrics: QueryMetrics,
        *,
        limits: Limits,
        backoff: Backoff | None = None,
    ) -> None:
        self._bus = bus
        self._book = book
        self._courier = courier
        self._presence = presence
        self._metrics = metrics
        self._limits = limits
        self._backoff = backoff or Backoff()
        self._follow: dict[str, Callable[[Any, Ask], Follower]] = {}
        self._sources: list[CollectionSource] = []
        self._held: dict[UUID, Subscription] = {}
        self._interests = Interests()
        self._endings: set[asyncio.Task[None]] = set()
        self._missed_some = False
        self._stopping = False
        self.feed = ChangeFeed(database, self._names, changed=self._changed, missed=self._missed, metrics=metrics)

    def register(
        self, contract: type[QueryT], follow: Callable[[QueryT, Ask], Follower], source: CollectionSource
    ) -> None:
        """`follow` makes the follower of one query; `source` is the collection whose changes it is told."""
        self._follow[contract.type] = follow
        self._sources.append(source)

    async def subscribe(self, request: Delivery, data: Mapping[str, Any], demand: Demand) -> Answered | Failed | None:
        """Answers the query, and from then on each change of its answer.

        None: all that goes to the asker goes there from here, the first answer too, so that it keeps its place before
        the updates. Failed: there is no subscription. Raises InvalidLiveRequestError, BadCursorError and what the
        query's handler raises.
        """
        follow = self._follow.get(request.type or "")
        if follow is None:
            return _failed(
                ErrorCode.INVALID_MESSAGE,
                f"{request.type} can't be asked with `subscribe`; these can: {', '.join(sorted(self._follow))}",
            )
        if refusal := self._refusal(request.reply_to or ""):
            return refusal
        wanted = LiveRequest.read(request.headers)
        query_type = request.type or ""
        try:
            query = QUERIES[query_type].model_validate(data)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, fault_of(error))

        def ask(demand: Demand) -> Awaitable[Answered | Failed]:
            return self._bus.ask(query_type, data, demand)

        subscription = Subscription(
            id=uuid4(),
            query_type=query_type,
            reply_to=request.reply_to or "",
            correlation_id=request.correlation_id,
            follower=follow(query, ask),
            lease=wanted.lease,
        )
        subscription.renew()
        self._hold(subscription)
        try:
            beginning = await self._begin(subscription, demand, wanted.resume_token)
        except BaseException:
            self._drop(subscription)
            raise
        if isinstance(beginning, Failed):
            self._drop(subscription)
            return beginning
        if subscription.id not in self._held:
            return _failed(ErrorCode.SUBSCRIPTION_ENDED, "ended before it began", retryable=True)
        resumed = beginning.resumed if wanted.resume_token is not None else None
        subscription.work = asyncio.create_task(self._serve(subscription, beginning, resumed), name="live query")
        return None

    async def renew(self, subscription_id: UUID) -> bool:
        """False when there is no such subscription, here or in another process. Raises PyMongoError."""
        return await self._book.renew(subscription_id)

    async def cancel(self, subscription_id: UUID) -> bool:
        """As `renew`."""
        return await self._book.remove([subscription_id]) == 1

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then all askers are told, so that they ask again elsewhere."""
        try:
            await self._look_after(stop)
        finally:
            self._stopping = True
            for subscription in list(self._held.values()):
                self._end(subscription, "stopped", tell=True)
            if self._endings:
                await asyncio.wait(self._endings, timeout=GOODBYE_SECONDS)
            for ending in self._endings:
                ending.cancel()
            await self.feed.close()

    async def _look_after(self, stop: asyncio.Event) -> None:
        looked = time.monotonic()
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await stop.wait()
            try:
                await self._check_leases()
                if time.monotonic() - looked >= LOOK_AFTER_SECONDS:
                    looked = time.monotonic()
                    await self._look_after_askers()
            except (PyMongoError, TimeoutError) as error:
                logger.warning("live queries not checked", error=type(error).__name__)
            except Exception:  # whatever it is: one asker must not be able to end them all
                logger.exception("live queries not checked")
            if not self._held:
                await self.feed.close()

    def _refusal(self, reply_to: str) -> Failed | None:
        if self._stopping:
            return _failed(ErrorCode.INTERNAL, "this process stops; ask again", retryable=True)
        theirs = sum(held.reply_to == reply_to for held in self._held.values())
        if theirs >= self._limits.per_asker:
            message = f"{theirs} live queries go to this reply address already"
            return _failed(ErrorCode.TOO_MANY_SUBSCRIPTIONS, message)
        if len(self._held) >= self._limits.in_all:
            message = f"this process holds {len(self._held)} live queries already; another one may have room"
            return _failed(ErrorCode.TOO_MANY_SUBSCRIPTIONS, message, retryable=True)
        return None

    async def _begin(self, subscription: Subscription, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self.feed.opened()
        except TimeoutError:
            return _failed(ErrorCode.INTERNAL, "changes can't be followed now", retryable=True)
        subscription.begin_here()
        beginning = await subscription.follower.begin(demand, resume_token)
        if isinstance(beginning, Beginning):
            await self._book.enter(subscription.id, subscription.query_type, subscription.lease)
        return beginning

    async def _serve(self, subscription: Subscription, beginning: Beginning, resumed: bool | None) -> None:
        first, *others = beginning.updates
        try:
            await self._courier.bring([subscription.first(first, resumed=resumed)])
            await self._bring(subscription, others)
            while True:
                await subscription.news()
                await self._bring(subscription, await self._updates(subscription))
                if subscription.follower.pause:
                    await asyncio.sleep(subscription.follower.pause)
        except AskerGoneError:
            self._end(subscription, "gone", tell=False)
        except Exception:
            logger.exception("a live query failed", type=subscription.query_type, subscription=str(subscription.id))
            self._end(subscription, "failed", tell=True)

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

    async def _check_leases(self) -> None:
        now = time.monotonic()
        for subscription in list(self._held.values()):
            if not self.feed.is_open:  # renewals can't be seen
                subscription.deadline = max(subscription.deadline, now + 2 * TICK_SECONDS)
            elif subscription.deadline < now:
                self._end(subscription, "lease", tell=True)
        if self._missed_some and self.feed.is_open:
            begun = [id_ for id_, subscription in self._held.items() if subscription.work is not None]
            for cancelled in await self._book.missing(begun):
                if (held := self._held.get(cancelled)) is not None:
                    self._end(held, "cancelled", tell=True)
            self._missed_some = False

    async def _look_after_askers(self) -> None:
        addresses = {subscription.reply_to for subscription in self._held.values()}
        if not addresses:
            return
        async with asyncio.timeout(LOOK_AFTER_SECONDS):
            troubles = await self._presence.look(addresses)
        for subscription in list(self._held.values()):
            if (trouble := troubles.get(subscription.reply_to)) is not None:
                self._end(subscription, trouble, tell=trouble != "gone")

    def _names(self) -> list[str]:
        return sorted({self._book.name, *(source().name for source in self._sources)})

    def _changed(self, change: Change) -> None:
        if change.collection == self._book.name:
            self._lease_changed(change)
            return
        for subscription in self._interests.in_change(change):
            if not subscription.offer(change):
                self._end(subscription, "slow", tell=True)

    def _lease_changed(self, change: Change) -> None:
        subscription = self._held.get(UUID(change.key))
        if subscription is None:
            return
        if change.deleted:
            self._end(subscription, "cancelled", tell=True)
        elif change.document is None:  # an update: a renewal (the entry itself is an insert)
            subscription.renew()
            self._start(self._say(subscription.renewed()))

    def _missed(self) -> None:
        self._interests.look_again()
        self._missed_some = True
        for subscription in self._held.values():
            subscription.miss()

    def _hold(self, subscription: Subscription) -> None:
        self._held[subscription.id] = subscription
        self._interests.add(subscription)
        self._metrics.live_subscriptions.labels(subscription.query_type).inc()

    def _drop(self, subscription: Subscription) -> bool:
        self._interests.remove(subscription)
        if self._held.pop(subscription.id, None) is None:
            return False
        self._metrics.live_subscriptions.labels(subscription.query_type).dec()
        return True

    def _end(self, subscription: Subscription, reason: str, *, tell: bool) -> None:
        if not self._drop(subscription):
            return
        self._metrics.live_ended.labels(reason).inc()
        logger.info("live query ended", type=subscription.query_type, subscription=str(subscription.id), reason=reason)
        self._start(self._finish(subscription, reason, tell=tell))

    async def _finish(self, subscription: Subscription, reason: str, *, tell: bool) -> None:
        if subscription.work is not None and subscription.work is not asyncio.current_task():
            subscription.work.cancel()
            await asyncio.wait({subscription.work})
        if tell:
            retryable = reason != "cancelled"
            goodbye = Update(_failed(ErrorCode.SUBSCRIPTION_ENDED, f"ended: {reason}", retryable=retryable), "")
            await self._say(subscription.following(goodbye))
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


def _failed(code: ErrorCode, message: str, *, retryable: bool = False) -> Failed:
    return Failed(error=AnswerError(code=code, message=message, retryable=retryable))
