"""A projector that rests while its read model is paused: of one that has a queue of its own."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeAlias

import structlog

from services.query.projector.projector import Projector

LOOK_SECONDS = 0.1

NewProjector: TypeAlias = Callable[[], AbstractAsyncContextManager[Projector[Any]]]
"""A projector with a consumer of its own, which gives back what is not acknowledged when the context is left."""

logger = structlog.stdlib.get_logger(__name__)


class PausableProjector:
    """While `is_paused` says so there is no consumer: its queue keeps everything in order, nothing is held here."""

    def __init__(self, name: str, new_projector: NewProjector, is_paused: Callable[[], bool]) -> None:
        self.name = name
        self._new_projector = new_projector
        self._is_paused = is_paused
        self._projector: Projector[Any] | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Projects until `stop()`, whenever the model is not paused."""
        while not self._stopping.is_set():
            if self._is_paused():
                await self._wait()
                continue
            async with self._new_projector() as projector:
                self._projector = projector
                try:
                    await self._work(projector)
                finally:
                    self._projector = None

    def stop(self) -> None:
        self._stopping.set()
        if self._projector is not None:
            self._projector.stop()

    def why_not(self) -> str | None:
        """Why it is not projecting right now; None when it is, or is not meant to."""
        if self._projector is None:
            return None if self._is_paused() else f"{self.name}: not running yet"
        return self._projector.why_not()

    def note(self) -> str | None:
        """That it is paused."""
        return "paused" if self._is_paused() else None

    async def _work(self, projector: Projector[Any]) -> None:
        watch = asyncio.create_task(self._stop_when_paused(projector), name=f"pause {self.name}")
        try:
            await projector.run()
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _stop_when_paused(self, projector: Projector[Any]) -> None:
        while not self._is_paused() and not self._stopping.is_set():
            await self._wait()
        if self._is_paused():
            logger.info("projection paused by an operator", read_model=self.name)
        projector.stop()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._stopping.wait()
