"""Publishes what a dead process or a failed publish has left in the outbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.command.metrics import CommandMetrics
from services.command.postgres import outbox
from services.command.postgres.failures import is_transient
from services.command.postgres.outage import Outage
from shared.messaging.ports import Publisher

LOCK_KEY = 0x5357454550  # "SWEEP"
TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
UNLOCK = text("SELECT pg_advisory_unlock(:key)")

logger = structlog.stdlib.get_logger(__name__)


class OutboxSweep:
    """Looks every `interval` seconds for messages older than `grace` seconds: others are in their process's hands.

    One process sweeps at a time. A pass starts from the oldest message every time, because ids are not in the order of
    commits: whoever went on from the last one seen would skip some for ever.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        outage: Outage,
        *,
        grace: float,
        interval: float,
        page: int = 500,
        metrics: CommandMetrics,
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._publisher = publisher
        self._outage = outage
        self._grace = grace
        self._interval = interval
        self._page = page
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: the first pass at once, then one every `interval` seconds."""
        while not stop.is_set():
            try:
                await self.sweep()
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._outage.wait(error)
            else:
                self._outage.over()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._interval)

    async def sweep(self) -> int:
        """One pass; gives how many messages it published: none when another process is at it."""
        async with self._engine.connect() as connection:
            depth = await outbox.depth(connection)
            self._metrics.outbox_depth.set(depth.messages)
            self._metrics.outbox_age.set(depth.oldest_seconds)
            if depth.oldest_seconds < self._grace:
                return 0
            async with _alone(connection) as alone:
                return await self._pass(connection) if alone else 0

    async def _pass(self, connection: AsyncConnection) -> int:
        swept = last = 0
        while page := await outbox.overdue(connection, grace=self._grace, after=last, limit=self._page):
            failures = await self._publisher.publish([message.envelope for message in page])
            published = [message.id for message, failure in zip(page, failures, strict=True) if failure is None]
            await outbox.clear(connection, published)
            swept += len(published)
            self._metrics.swept.inc(len(published))
            if not published:
                break
            last = page[-1].id
        if swept:
            logger.info("swept the outbox", messages=swept)
        return swept


@asynccontextmanager
async def _alone(connection: AsyncConnection) -> AsyncIterator[bool]:
    alone = bool((await connection.execute(TRY_LOCK, {"key": LOCK_KEY})).scalar())
    try:
        yield alone
    except BaseException:
        # The lock goes with the connection, also where it can't be given back.
        await connection.invalidate()
        raise
    if alone:
        await connection.execute(UNLOCK, {"key": LOCK_KEY})
