"""The tasks that a service runs beside each other for as long as it lives."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

logger = structlog.stdlib.get_logger(__name__)


class TaskEndedError(Exception):
    """A background task crashed, or returned, while the service was not stopping. Its cause is chained."""


class BackgroundTasks:
    """Runs tasks inside its block; when one ends before it was told to, `stop` is set and the service drains.

    A task is expected to return once `stop` is set; whatever still runs when the block ends is cancelled. Leaving the
    block then raises TaskEndedError for the first that failed, so that the process exits with 1 and is restarted.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: TaskEndedError | None = None

    def start(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if error is None and self._failure is not None:
            raise self._failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None and self._stop.is_set():
            return
        what = "crashed" if error else "ended too early"
        logger.critical(f"background task {what}", task=task.get_name(), exc_info=error)
        if self._failure is None:
            self._failure = TaskEndedError(f"task {task.get_name()!r} {what}")
            self._failure.__cause__ = error
        self._stop.set()
