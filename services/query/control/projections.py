"""What operators have done with read models."""

from collections.abc import Mapping
from typing import Any

from services.query.control.control_bus import failed
from services.query.mongo.collections import Collections
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.log_reader import LogReader
from services.query.read_model import Document, FoldedModel, ReadModel
from services.query.rebuild.catalogue import Catalogue
from services.query.rebuild.catalogue import Entry as CatalogueEntry
from services.query.rebuild.changing_places import TOO_LATE_TO_CANCEL
from services.query.rebuild.context import Context
from services.query.rebuild.jobs import RUNNING, JobRunningError
from services.query.rebuild.pruning import generations, prune
from shared.contracts.answer import Answered, AsOf, ErrorCode, Failed
from shared.contracts.control.projections import (
    CancelProjectionJob,
    GetProjectionJob,
    ListProjections,
    PausedProjection,
    PauseProjection,
    Projection,
    ProjectionJob,
    ProjectionList,
    PrunedGenerations,
    PruneProjection,
    RebuildProjection,
    ResumeProjection,
    RollBackProjection,
    VerifyProjection,
)
from shared.contracts.queries.read_log import LogHead

NOT_FOLDED = (
    "{model} is not a fold of the event log: it also records rejections, of which some are kept nowhere else, "
    "so it can't be rebuilt or verified from the log"
)


class ProjectionControls:
    """The handlers, by the name of what is asked for. Each raises PyMongoError."""

    def __init__(self, context: Context, models: Mapping[str, ReadModel]) -> None:
        self._context = context
        self._collections: Collections = context.collections
        self._catalogue: Catalogue = context.catalogue
        self._reader: LogReader = context.reader
        self._models = models

    async def show_all(self, _control: ListProjections) -> Answered | Failed:
        entries = await self._catalogue.entries()
        jobs = await self._context.jobs.all()
        known = [entries.get(name, CatalogueEntry(model=name)) for name in self._models]
        reached = [entry.position for entry in known if entry.position is not None]
        head = await self._head(reached)
        behind = dict(zip(reached, head.behind, strict=True)) if head is not None else {}
        projections = []
        for entry in known:
            lag = behind.get(entry.position) if entry.position is not None else None
            projections.append(
                Projection(
                    model=entry.model,
                    generation=entry.live,
                    generations=sorted({entry.live, *await generations(self._collections, entry.model)}),
                    previous=entry.previous,
                    beside=entry.beside,
                    paused=entry.paused,
                    parked=await self._collections.parked.count_documents({"model": entry.model}),
                    position=entry.position,
                    lag_events=None if lag is None else lag.events,
                    lag_seconds=None if lag is None else round(lag.seconds, 3),
                    rebuildable=isinstance(self._models[entry.model], FoldedModel),
                    job=_job(jobs.get(entry.model)),
                )
            )
        return _answered(ProjectionList(head=None if head is None else head.position, projections=projections))

    async def show_job(self, control: GetProjectionJob) -> Answered | Failed:
        return self._unknown(control.model) or _answered(_job(await self._context.jobs.of(control.model)))

    async def rebuild(self, control: RebuildProjection) -> Answered | Failed:
        if refusal := self._not_folded(control.model):
            return refusal
        running = await self._context.jobs.of(control.model)
        if running is not None and running["state"] == RUNNING and running["kind"] == "rebuild":
            return _answered(_job(running))
        entry = await self._catalogue.entry(control.model)
        target = await self._catalogue.new_generation(control.model)
        return await self._start(control.model, "rebuild", live=entry.live, target=target)

    async def roll_back(self, control: RollBackProjection) -> Answered | Failed:
        if refusal := self._not_folded(control.model):
            return refusal
        entry = await self._catalogue.entry(control.model)
        if entry.previous is None or entry.previous not in await generations(self._collections, control.model):
            return failed(ErrorCode.INVALID_MESSAGE, f"{control.model} has no generation before {entry.live}")
        return await self._start(control.model, "rollback", live=entry.live, target=entry.previous)

    async def verify(self, control: VerifyProjection) -> Answered | Failed:
        if refusal := self._not_folded(control.model):
            return refusal
        entry = await self._catalogue.entry(control.model)
        about = {"repair": control.repair, "patience": control.patience}
        return await self._start(control.model, "verify", live=entry.live, target=entry.live, **about)

    async def cancel(self, control: CancelProjectionJob) -> Answered | Failed:
        if refusal := self._unknown(control.model):
            return refusal
        cancelled = await self._context.jobs.cancel(control.model, TOO_LATE_TO_CANCEL)
        if cancelled is not None:
            await self._catalogue.write_alone(control.model)
            return _answered(_job(await self._context.jobs.of(control.model)))
        job = await self._context.jobs.of(control.model)
        if job is not None and job["state"] == RUNNING:
            return failed(ErrorCode.INVALID_MESSAGE, f"it is too late: generation {job['target']} has become live")
        return failed(ErrorCode.INVALID_MESSAGE, f"nothing is under way with {control.model}")

    async def prune(self, control: PruneProjection) -> Answered | Failed:
        if refusal := self._unknown(control.model):
            return refusal
        job = await self._context.jobs.of(control.model)
        if job is not None and job["state"] == RUNNING:
            return failed(ErrorCode.INVALID_MESSAGE, f"{control.model}: a {job['kind']} is under way")
        dropped = await prune(self._collections, self._catalogue, control.model)
        return _answered(PrunedGenerations(model=control.model, generations=dropped))

    async def pause(self, control: PauseProjection) -> Answered | Failed:
        return await self._set_paused(control.model, True)

    async def resume(self, control: ResumeProjection) -> Answered | Failed:
        return await self._set_paused(control.model, False)

    async def _set_paused(self, model: str, paused: bool) -> Answered | Failed:
        if refusal := self._unknown(model):
            return refusal
        await self._catalogue.pause(model, paused)
        await self._collections.refresh()
        return _answered(PausedProjection(model=model, paused=paused))

    async def _start(self, model: str, kind: str, **about: Any) -> Answered | Failed:
        try:
            return _answered(_job(await self._context.jobs.start(model, kind, **about)))
        except JobRunningError as error:
            return failed(ErrorCode.INVALID_MESSAGE, str(error))

    async def _head(self, positions: list[int]) -> LogHead | None:
        try:
            return await self._reader.head(positions)
        except EventLogUnavailableError:
            return None

    def _unknown(self, model: str) -> Failed | None:
        if model in self._models:
            return None
        return failed(ErrorCode.INVALID_MESSAGE, f"no such read model; there are {', '.join(sorted(self._models))}")

    def _not_folded(self, model: str) -> Failed | None:
        if refusal := self._unknown(model):
            return refusal
        if isinstance(self._models[model], FoldedModel):
            return None
        return failed(ErrorCode.INVALID_MESSAGE, NOT_FOLDED.format(model=model))


def _job(job: Document | None) -> ProjectionJob | None:
    return None if job is None else ProjectionJob.model_validate(job)


def _answered(data: Any) -> Answered:
    return Answered(data=data, as_of=AsOf())
