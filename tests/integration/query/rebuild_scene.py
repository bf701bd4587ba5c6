"""Rebuilds and verifications on a real MongoDB, with the event log in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from services.query.bootstrap import READ_MODELS
from services.query.cancelled import cancelled
from services.query.control.projections import ProjectionControls
from services.query.domain_event import DomainEvent
from services.query.live_models import LiveFoldedModel, LiveModels
from services.query.mongo.collections import Collections, Database, details_of
from services.query.read_model import Document, FoldedModel
from services.query.rebuild.catalogue import Catalogue
from services.query.rebuild.context import Context
from services.query.rebuild.job_worker import JobWorker
from services.query.rebuild.jobs import Jobs
from shared.contracts.answer import Answered, Failed
from shared.contracts.control.projections import RebuildProjection
from tests.integration.query.query_scene import at_once
from tests.unit.query.fake_log_reader import FakeLogReader

LEASE = 0.15
FOLDED = {model.name: model for model in READ_MODELS if isinstance(model, FoldedModel)}


class Process:
    """What one query process has: a view of the catalogue of its own, the live models, and a worker."""

    def __init__(self, database: Database, log: FakeLogReader, *, lease: float = LEASE) -> None:
        self.collections = Collections(database, lease=lease)
        self.log = log
        self.jobs = Jobs(self.collections, lease=4 * LEASE)
        self.catalogue = Catalogue(self.collections)
        self.context = Context(self.collections, self.jobs, self.catalogue, log, log)
        self.controls = ProjectionControls(self.context, {model.name: model for model in READ_MODELS})
        self.models = LiveModels(self.collections, log, lambda _model: at_once)
        self._live = {name: self.models.folded(model) for name, model in FOLDED.items()}

    def live(self, name: str) -> LiveFoldedModel:
        return self._live[name]

    async def project(self, *events: DomainEvent) -> None:
        """Into all models, as the projectors do."""
        for live in self._live.values():
            await live.projection.apply(events)

    @asynccontextmanager
    async def working(self, *, refresh: bool = True) -> AsyncIterator[None]:
        """Does jobs, and looks into the catalogue as often as a process does, inside the block."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(JobWorker(self.context, FOLDED).run(stop))]
        if refresh:
            tasks.append(asyncio.create_task(self.refreshing()))
        try:
            yield
        finally:
            await cancelled(*tasks)

    async def refreshing(self) -> None:
        while True:
            await self.collections.refresh()
            await asyncio.sleep(self.collections.lease / 5)

    async def close(self) -> None:
        await self.models.close()

    # What an operator does

    async def rebuild(self, name: str = "users") -> Document:
        ok(await self.controls.rebuild(RebuildProjection(model=name)))
        return await self.ended(name)

    async def ended(self, name: str = "users", seconds: float = 60) -> Document:
        async with asyncio.timeout(seconds):
            while True:
                job = await self.jobs.of(name)
                if job is not None and job["state"] != "running":
                    return job
                await asyncio.sleep(0.02)

    async def content(
        self, name: str = "users", generation: int | None = None
    ) -> tuple[dict[str, Document], list[Any]]:
        """All documents of a generation (the live one unless another is named), and all details."""
        await self.collections.refresh()
        number = generation or self.collections.generations(name).live
        documents = self.collections.generation(name, number)
        found = {document["_id"]: document async for document in documents.find()}
        details = await details_of(documents).find().sort("_id").to_list()
        return found, details


def ok(answer: Answered | Failed) -> Any:
    assert isinstance(answer, Answered), answer
    return answer.data


def refused(answer: Answered | Failed) -> str:
    assert isinstance(answer, Failed), answer
    return answer.error.message


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
