"""A read model put to work: its projection, its collection, and what its queries wait with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.query.freshness.freshness import Freshness
from services.query.freshness.recency import Recency
from services.query.freshness.version_watch import VersionWatch
from services.query.mongo.collections import Collections, CollectionSource
from services.query.mongo.document_loader import DocumentLoader
from services.query.mongo.primary_reader import Reader
from services.query.mongo.versions import existing, versions
from services.query.projector.event_log import EventLog
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.marker import Mark
from services.query.projector.parking import Parking
from services.query.projector.projection import Projection
from services.query.projector.reached_positions import ReachedPositions
from services.query.projector.recorded_projection import RecordedProjection
from services.query.projector.targets import CataloguedTargets
from services.query.read_model import FoldedModel, ReadModel, RecordedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """What both kinds have. `watch` is told of progress by `projection`."""

    model: ReadModel
    collection: CollectionSource
    documents: DocumentLoader
    watch: VersionWatch
    recency: Recency
    projection: Projection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFoldedModel(LiveModel):
    model: FoldedModel
    projection: FoldedProjection
    details: CollectionSource
    freshness: Freshness


class LiveModels:
    """Puts read models to work, and knows those that it did."""

    def __init__(
        self,
        collections: Collections,
        event_log: EventLog,
        mark: Callable[[ReadModel], Mark],
        reached: ReachedPositions | None = None,
        reader: Reader | None = None,
    ) -> None:
        """`mark` makes what puts markers into a model's queue; `reader` reads documents for queries."""
        self._reader = reader
        self._collections = collections
        self._event_log = event_log
        self._mark = mark
        self._models: list[LiveModel] = []
        self._reached = reached or ReachedPositions(collections)

    def folded(self, model: FoldedModel) -> LiveFoldedModel:
        source = self._collections.source(model.name)
        watch = VersionWatch(versions(source))
        parking = Parking(self._collections.parked, model.name, model.aggregate_type)
        is_paused = partial(self._collections.is_paused, model.name)
        live = LiveFoldedModel(
            model=model,
            collection=source,
            documents=DocumentLoader(source, self._reader),
            watch=watch,
            recency=Recency(model.name, self._mark(model), parking.since, is_paused),
            projection=FoldedProjection(
                model,
                CataloguedTargets(self._collections, model, parking),
                self._event_log,
                watch.advanced,
                partial(self._reached.note, model.name),
            ),
            details=self._collections.details(model.name),
            freshness=Freshness(model.aggregate_type, watch, parking.reasons, is_paused),
        )
        self._models.append(live)
        return live

    def recorded(self, model: RecordedModel) -> LiveModel:
        source = self._collections.source(model.name)
        watch = VersionWatch(existing(source))
        live = LiveModel(
            model=model,
            collection=source,
            documents=DocumentLoader(source, self._reader),
            watch=watch,
            recency=Recency(model.name, self._mark(model), is_paused=partial(self._collections.is_paused, model.name)),
            projection=RecordedProjection(model, source, watch.advanced, partial(self._reached.note, model.name)),
        )
        self._models.append(live)
        return live

    def of(self, model: FoldedModel) -> LiveFoldedModel:
        """One that was put to work by `folded`."""
        return next(live for live in self._models if isinstance(live, LiveFoldedModel) and live.model is model)

    @property
    def all(self) -> Sequence[LiveModel]:
        return tuple(self._models)

    async def close(self) -> None:
        for live in self._models:
            await live.watch.close()
            await live.recency.close()
