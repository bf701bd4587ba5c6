"""Ends the live queries whose lease is over, or whose asker is gone or takes nothing."""

import asyncio
import time
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from services.query.live.change_feed import ChangeFeed
from services.query.live.holding import Holding
from services.query.live.lease_book import LeaseBook
from services.query.live.presence import Presence

logger = structlog.stdlib.get_logger(__name__)

TICK_SECONDS = 1.0
LOOK_AFTER_SECONDS = 5.0


class Caretaker:
    def __init__(self, holding: Holding, feed: ChangeFeed, book: LeaseBook, presence: Presence) -> None:
        self._holding = holding
        self._feed = feed
        self._book = book
        self._presence = presence

    async def run(self, stop: asyncio.Event) -> None:
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
            if not self._holding.all:
                await self._feed.close()

    async def _check_leases(self) -> None:
        now = time.monotonic()
        for subscription in self._holding.all:
            if not self._feed.is_open:  # renewals can't be seen
                subscription.deadline = max(subscription.deadline, now + 2 * TICK_SECONDS)
            elif subscription.deadline < now:
                self._holding.end(subscription, "lease", tell=True)
        if self._holding.missed_some and self._feed.is_open:
            begun = [subscription.id for subscription in self._holding.all if subscription.work is not None]
            for cancelled in await self._book.missing(begun):
                if (held := self._holding.get(cancelled)) is not None:
                    self._holding.end(held, "cancelled", tell=True)
            self._holding.missed_some = False

    async def _look_after_askers(self) -> None:
        addresses = {subscription.reply_to for subscription in self._holding.all}
        if not addresses:
            return
        async with asyncio.timeout(LOOK_AFTER_SECONDS):
            troubles = await self._presence.look(addresses)
        for subscription in self._holding.all:
            if (trouble := troubles.get(subscription.reply_to)) is not None:
                self._holding.end(subscription, trouble, tell=trouble != "gone")
