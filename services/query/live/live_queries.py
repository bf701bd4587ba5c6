"""The live queries of this process: from the question with `subscribe: true` on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError

from services.query.freshness.demand import Demand
from services.query.generation_guard import GenerationGuard
from services.query.live.caretaker import Caretaker
from services.query.live.change_feed import ChangeFeed
from services.query.live.courier import AskerGoneError, Courier
from services.query.live.follower import Ask, Beginning, Follower
from services.query.live.holding import Holding
from services.query.live.lease_book import LeaseBook
from services.query.live.presence import Presence
from services.query.live.request import LiveRequest
from services.query.live.serving import Serving
from services.query.live.subscription import Subscription
from services.query.metrics import QueryMetrics
from services.query.mongo.collections import CollectionSource, Database
from services.query.query_bus import QueryBus, fault_of
from shared.contracts.answer import Answered, AnswerError, ErrorCode, Failed
from shared.contracts.base import Query
from shared.contracts.queries import QUERIES
from shared.messaging.envelope import Delivery

logger = structlog.stdlib.get_logger(__name__)

QueryT = TypeVar("QueryT", bound=Query)
OPEN_SECONDS = 2.0


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
        guard: GenerationGuard,
        database: Database,
        book: LeaseBook,
        courier: Courier,
        presence: Presence,
        metrics: QueryMetrics,
        *,
        limits: Limits,
    ) -> None:
        self._bus = bus
        self._guard = guard
        self._book = book
        self._limits = limits
        self._follow: dict[str, Callable[[Any, Ask], Follower]] = {}
        self._sources: list[CollectionSource] = []
        self._stopping = False
        self._holding = Holding(book, courier, metrics)
        self._serving = Serving(courier, metrics)
        self.feed = ChangeFeed(
            database, self._names, changed=self._holding.changed, missed=self._holding.missed, metrics=metrics
        )
        self._caretaker = Caretaker(self._holding, self.feed, book, presence)

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
        query_type, reply_to = request.type or "", request.reply_to or ""
        if query_type not in self._follow:
            followed = ", ".join(sorted(self._follow))
            message = f"{query_type} can't be asked with `subscribe`; these can: {followed}"
            return _failed(ErrorCode.INVALID_MESSAGE, message)
        if refusal := self._refusal(reply_to):
            return refusal
        wanted = LiveRequest.read(request.headers)
        try:
            query = QUERIES[query_type].model_validate(data)
        except ValidationError as error:
            return _failed(ErrorCode.INVALID_MESSAGE, fault_of(error))

        def ask(demand: Demand) -> Awaitable[Answered | Failed]:
            return self._guard.read(lambda: self._bus.ask(query_type, data, demand))

        subscription = Subscription(
            id=uuid4(),
            query_type=query_type,
            reply_to=reply_to,
            correlation_id=request.correlation_id,
            follower=self._follow[query_type](query, ask),
            lease=wanted.lease,
        )
        subscription.renew()
        self._holding.hold(subscription)
        try:
            beginning = await self._begin(subscription, demand, wanted.resume_token)
        except BaseException:
            self._holding.drop(subscription)
            raise
        if isinstance(beginning, Failed):
            self._holding.drop(subscription)
            return beginning
        if self._holding.get(subscription.id) is None:
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
            await self._caretaker.run(stop)
        finally:
            self._stopping = True
            await self._holding.end_all()
            await self.feed.close()

    def _refusal(self, reply_to: str) -> Failed | None:
        if self._stopping:
            return _failed(ErrorCode.INTERNAL, "this process stops; ask again", retryable=True)
        held = self._holding.all
        theirs = sum(each.reply_to == reply_to for each in held)
        if theirs >= self._limits.per_asker:
            message = f"{theirs} live queries go to this reply address already"
            return _failed(ErrorCode.TOO_MANY_SUBSCRIPTIONS, message)
        if len(held) >= self._limits.in_all:
            message = f"this process holds {len(held)} live queries already; another one may have room"
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
        try:
            await self._serving.serve(subscription, beginning, resumed=resumed)
        except AskerGoneError:
            self._holding.end(subscription, "gone", tell=False)
        except Exception:
            logger.exception("a live query failed", type=subscription.query_type, subscription=str(subscription.id))
            self._holding.end(subscription, "failed", tell=True)

    def _names(self) -> list[str]:
        return sorted({self._book.name, *(source().name for source in self._sources)})


def _failed(code: ErrorCode, message: str, *, retryable: bool = False) -> Failed:
    return Failed(error=AnswerError(code=code, message=message, retryable=retryable))
