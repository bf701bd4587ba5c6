"""What work on a read model needs of the service."""

from dataclasses import dataclass

from services.query.mongo.collections import Collections
from services.query.projector.event_log import EventLog
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.log_reader import LogReader
from services.query.projector.targets import generation_targets
from services.query.read_model import FoldedModel
from services.query.rebuild.catalogue import Catalogue
from services.query.rebuild.jobs import Jobs


@dataclass(frozen=True, slots=True)
class Context:
    collections: Collections
    jobs: Jobs
    catalogue: Catalogue
    reader: LogReader
    event_log: EventLog

    def projection(self, model: FoldedModel, generation: int) -> FoldedProjection:
        """Onto a generation that is not the live one."""
        return FoldedProjection(model, generation_targets(self.collections, model, generation), self.event_log)
