"""Whether MongoDB answers, and which generations are live: one small read, again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from pymongo.errors import OperationFailure, PyMongoError

from services.query.mongo.collections import Collections
from shared.runtime.errors import StartupError

logger = structlog.stdlib.get_logger(__name__)

PERIOD_SECONDS = 1.0
REFUSED = {13: "may not read the database", 18: "has a wrong name or password"}
"""Unauthorized, AuthenticationFailed."""


class CatalogueWatch:
    """`also` is done each time, too; what it fails with counts as trouble with MongoDB."""

    def __init__(
        self,
        collections: Collections,
        *,
        period: float = PERIOD_SECONDS,
        also: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._collections = collections
        self._also = also
        self._period = period
        self.trouble: str | None = "mongodb was not asked yet"

    async def start(self) -> None:
        """A first look. Raises StartupError when MongoDB refuses us; goes on when it is not there (yet)."""
        try:
            await self._look()
        except OperationFailure as error:
            if error.code in REFUSED:
                why = REFUSED[error.code]
                raise StartupError(f"MongoDB refuses us: the user of QUERY_MONGO_URL {why}") from error
            raise
        except PyMongoError as error:
            self._note(error)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await stop.wait()
            try:
                await self._look()
            except PyMongoError as error:
                self._note(error)

    async def _look(self) -> None:
        await self._collections.refresh()
        if self._also is not None:
            await self._also()
        if self.trouble is not None:
            logger.info("mongodb answers")
        self.trouble = None

    def _note(self, error: PyMongoError) -> None:
        if self.trouble is None:
            logger.warning("mongodb does not answer", error=type(error).__name__)
        self.trouble = f"mongodb does not answer: {type(error).__name__}"
