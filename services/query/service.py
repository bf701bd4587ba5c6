"""The running query service."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from services.query.live.live_queries import LiveQueries
from services.query.mongo.catalogue_watch import CatalogueWatch
from services.query.projector.folded_projection import FoldedProjection
from services.query.query_bus import QueryBus
from services.query.rebuild.job_worker import JobWorker
from shared.messaging.responder import Responder
from shared.runtime.background import BackgroundTasks

LEAVING_SECONDS = 3.0
"""Of the time to drain, kept for closing connections."""


class Runs(Protocol):
    """What projects."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class QueryService:
    """Projects and answers. `folded` are the projections by read model, for healing a parked aggregate."""

    def __init__(
        self,
        *,
        projectors: Sequence[Runs],
        responders: Sequence[Responder],
        bus: QueryBus,
        folded: Mapping[str, FoldedProjection],
        watch: CatalogueWatch,
        jobs: JobWorker,
        live: LiveQueries,
        http_port: int,
        drain_seconds: float,
    ) -> None:
        self._projectors = projectors
        self._responders = responders
        self._watch = watch
        self._jobs = jobs
        self._live = live
        self._drain_seconds = max(0.0, drain_seconds - LEAVING_SECONDS)
        self.bus = bus
        self.folded = folded
        self.http_port = http_port

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set and the work in hand is done. Raises TaskEndedError when a part of it crashed."""
        async with BackgroundTasks(stop) as tasks:
            working = [
                tasks.start(projector.run(), name=f"projector {projector.name}") for projector in self._projectors
            ]
            working.append(tasks.start(self._jobs.run(stop), name="jobs"))
            working += [tasks.start(responder.run(), name="responder") for responder in self._responders]
            tasks.start(self._watch.run(stop), name="mongodb watch")
            working.append(tasks.start(self._live.run(stop), name="live queries"))
            await stop.wait()
            for projector in self._projectors:
                projector.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await asyncio.gather(*(responder.stop() for responder in self._responders))
                    await asyncio.wait(working)
