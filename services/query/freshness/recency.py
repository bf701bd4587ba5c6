"""How far behind a read model is, and waiting until it is no further behind than an asker allows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.query.freshness.demand import Demand
from services.query.projector.marker import Mark
from shared.contracts.answer import AnswerError, ErrorCode, Failed
from shared.messaging.backoff import Backoff

logger = structlog.stdlib.get_logger(__name__)

KNOWN_FOR_SECONDS = 1.0
"""Questions that don't say how fresh they want their answer make a marker that often, at most."""
GIVE_UP_SECONDS = 30.0
"""When markers fail and nobody has asked for that long, no more are sent."""
PAUSED_LOOK_SECONDS = 0.2

ParkedSince = Callable[[str | None], Awaitable[datetime | None]]
"""Since when this aggregate (None: the aggregate that is parked longest) is parked; None when it is not."""


async def nothing_is_parked(_aggregate_id: str | None) -> datetime | None:
    return None


@dataclass(frozen=True, slots=True)
class _Known:
    """Complete up to `at` (time.monotonic()), which was `time`. `parks`: some aggregates are parked."""

    at: float
    time: datetime
    parks: bool


class Recency:
    """Of one read model. What is known comes from markers (projector/marker.py), which all askers share: one is under
    way at a time, and none where nobody asks.

    A projector that is dead, paused or stuck, and a broker that is away, leave the last proof to grow old. A parked
    aggregate holds back its own answers from the moment that it was parked, and with them those about all aggregates.
    """

    def __init__(
        self,
        name: str,
        mark: Mark,
        parked_since: ParkedSince = nothing_is_parked,
        is_paused: Callable[[], bool] = lambda: False,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._mark = mark
        self._parked_since = parked_since
        self._is_paused = is_paused
        self._backoff = backoff or Backoff()
        self._known: _Known | None = None
        self._wanted = self._asked = 0.0
        """Somebody wants a marker that was sent then or later; when somebody asked last."""
        self._news = asyncio.Event()
        self._marking: asyncio.Task[None] | None = None

    async def complete_until(self, aggregate_id: str | None = None) -> datetime | None:
        """All that the broker had for the read model by then (UTC) is visible: as far as is known now, which is at most
        a little less than is true. With an `aggregate_id` it is about that one only. None when nothing is known yet.

        What is read after this call shows at least that. Raises what the reading of parked aggregates raises.
        """
        now = time.monotonic()
        if self._known is None or self._known.at < now - KNOWN_FOR_SECONDS:
            self._want(now)
        known = self._known
        if known is None:
            return None
        if not known.parks:
            return known.time
        since = await self._parked_since(aggregate_id)
        return min(known.time, since or known.time)

    @property
    def holds_back(self) -> bool:
        """Whether some aggregates are parked, as far as is known: then each has a `complete_until` of its own."""
        return self._known is not None and self._known.parks

    async def wait(self, demand: Demand, aggregate_id: str | None = None) -> Failed | None:
        """Waits until the read model is as fresh as demanded (None), at most as long as that allows (`stale_read`)."""
        if demand.max_staleness is None:
            return None
        oldest = time.monotonic() - demand.max_staleness
        with suppress(TimeoutError):
            async with asyncio.timeout(demand.max_wait):
                while self._known is None or self._known.at < oldest:
                    self._news.clear()
                    self._want(oldest)
                    await self._news.wait()
        if self._known is None or self._known.at < oldest:
            return _stale(self._name, "is paused" if self._is_paused() else "has not shown that it is that far")
        if self._known.parks:
            since = await self._parked_since(aggregate_id)
            if since is not None and since < datetime.now(UTC) - timedelta(seconds=demand.max_staleness):
                return _stale(self._name, f"holds back a parked aggregate since {since.isoformat()}")
        return None

    async def close(self) -> None:
        if self._marking is not None:
            self._marking.cancel()
            await asyncio.wait({self._marking})

    def _want(self, sent_after: float) -> None:
        self._wanted = max(self._wanted, sent_after)
        self._asked = time.monotonic()
        if self._marking is None or self._marking.done():
            self._marking = asyncio.create_task(self._keep_marking(), name=f"mark {self._name}")

    async def _keep_marking(self) -> None:
        """Until what is wanted is known. An asker who wants more than the marker under way can show has the next."""
        failures = 0
        while self._known is None or self._known.at < self._wanted:
            if self._is_paused():  # markers would only pile up in the queue
                if time.monotonic() - self._asked > GIVE_UP_SECONDS:
                    return
                await asyncio.sleep(PAUSED_LOOK_SECONDS)
                continue
            at, now = time.monotonic(), datetime.now(UTC)
            try:
                await self._mark()
                self._known = _Known(at, now, await self._parked_since(None) is not None)
            except Exception as error:
                failures += 1
                if failures == 1:
                    logger.warning("can't tell how far it is", read_model=self._name, error=type(error).__name__)
                if time.monotonic() - self._asked > GIVE_UP_SECONDS:
                    return
                await asyncio.sleep(self._backoff.delay(failures))
            self._news.set()


def _stale(name: str, why: str) -> Failed:
    return Failed(error=AnswerError(code=ErrorCode.STALE_READ, message=f"the read model {name} {why}", retryable=True))
