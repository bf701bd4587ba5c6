"""Waiting until documents have reached a version."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeAlias

import structlog

from services.query.cancelled import cancelled

logger = structlog.stdlib.get_logger(__name__)

FIRST_POLL_SECONDS = 0.002
LONGEST_POLL_SECONDS = 0.05
POLL_GROWTH = 1.5

VersionReader: TypeAlias = Callable[[Iterable[str]], Awaitable[Mapping[str, int]]]
"""The versions that these documents have now, in one read; one that does not exist is left out."""


class _Waiter:
    """One asker; `missing` holds what has not come yet."""

    __slots__ = ("done", "missing")

    def __init__(self, wanted: Mapping[str, int]) -> None:
        self.missing = dict(wanted)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class VersionWatch:
    """Told of progress by the projector of this process, and looks for that of another replica's.

    All that is waited for is looked up in one read, every 2 ms at first and up to 50 ms apart as time goes by without
    news. Nobody waiting: nothing is read.
    """

    def __init__(self, read_versions: VersionReader) -> None:
        self._read_versions = read_versions
        self._waiters: dict[str, set[_Waiter]] = defaultdict(set)
        self._news = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    async def wait(self, wanted: Mapping[str, int], timeout: float) -> Mapping[str, int]:
        """Returns what was not reached within `timeout` seconds: nothing, when all was.

        Looks once more when the time is up. Raises what the reader raises then.
        """
        if not wanted:
            return {}
        waiter = _Waiter(wanted)
        for key in wanted:
            self._waiters[key].add(waiter)
        try:
            self._poll()
            await asyncio.wait((waiter.done,), timeout=timeout)
            if not waiter.done.done():
                self.advanced(await self._read_versions(list(waiter.missing)))
        finally:
            self._forget(waiter, wanted)
        return waiter.missing

    def advanced(self, versions: Mapping[str, int]) -> None:
        """Says that these documents now stand at these versions, safely written."""
        if not self._waiters:
            return
        for key, version in versions.items():
            for waiter in tuple(self._waiters.get(key, ())):
                if waiter.missing.get(key, version + 1) <= version:
                    del waiter.missing[key]
                    if not waiter.missing and not waiter.done.done():
                        waiter.done.set_result(None)

    async def close(self) -> None:
        if self._polling is not None:
            await cancelled(self._polling)

    def _forget(self, waiter: _Waiter, wanted: Mapping[str, int]) -> None:
        for key in wanted:
            self._waiters[key].discard(waiter)
            if not self._waiters[key]:
                del self._waiters[key]

    def _poll(self) -> None:
        self._news.set()
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._keep_polling(), name="watch versions")

    async def _keep_polling(self) -> None:
        pause = FIRST_POLL_SECONDS
        while self._waiters:
            self._news.clear()
            try:
                self.advanced(await self._read_versions(list(self._waiters)))
            except Exception as error:
                logger.warning("can't read versions", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            pause = FIRST_POLL_SECONDS if self._news.is_set() else min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
