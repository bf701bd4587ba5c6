"""Read models as an operator sees them, and what he may have done with them."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.control.projection_control import ProjectionControl

ModelName = Annotated[str, Field(min_length=1, max_length=64)]


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Difference(_View):
    """A document (or a detail) that is not what the log says. Digests and versions, never content."""

    place: Literal["documents", "details"]
    id: str
    kind: Literal["missing", "different", "behind", "invented"]
    expected: str | None = None
    found: str | None = None
    expected_version: int | None = None
    found_version: int | None = None
    repaired: bool = False


class VerificationReport(_View):
    """What was compared, counted; `named` are the first of the `differences`."""

    events: int
    documents: int
    details: int
    parked: int
    differences: int
    repaired: int
    named: list[Difference] = []


class ProjectionJob(_View):
    """Work on a read model: `done` of `total` events in this `phase`. `error` says why it failed."""

    kind: Literal["rebuild", "rollback", "verify"]
    state: Literal["running", "done", "failed", "cancelled"]
    phase: str
    target: int
    done: int = 0
    total: int | None = None
    started_at: AwareDatetime
    at: AwareDatetime
    finished_at: AwareDatetime | None = None
    error: str | None = None
    report: VerificationReport | None = None


class Projection(_View):
    """`position` is how far along the log it has come; `lag_events` and `lag_seconds` how much of the log lies beyond,
    and how old that is. All three are null while it has not seen an event. `generations` are those that there are.
    """

    model: str
    generation: int
    generations: list[int]
    previous: int | None = None
    beside: int | None = None
    paused: bool
    parked: int
    position: int | None = None
    lag_events: int | None = None
    lag_seconds: float | None = None
    rebuildable: bool
    job: ProjectionJob | None = None


class ProjectionList(_View):
    """`head` is the position of the newest event in the log; null when the log gives no answer now."""

    head: int | None
    projections: list[Projection]


class PrunedGenerations(_View):
    model: str
    generations: list[int]


class PausedProjection(_View):
    model: str
    paused: bool


class ListProjections(ProjectionControl):
    """Data: a `ProjectionList`."""

    type: ClassVar[str] = "ListProjections"
    view: ClassVar = ProjectionList


class _OfModel(ProjectionControl):
    model: ModelName


class GetProjectionJob(_OfModel):
    """The work that is done on a read model, or was done last. Data: a `ProjectionJob`, or null."""

    type: ClassVar[str] = "GetProjectionJob"
    view: ClassVar = ProjectionJob


class RebuildProjection(_OfModel):
    """Starts a new generation; the answer does not wait for it. Data: a `ProjectionJob`.

    Where a rebuild of it is running already, the answer is that one.
    """

    type: ClassVar[str] = "RebuildProjection"
    view: ClassVar = ProjectionJob


class RollBackProjection(_OfModel):
    """Starts the way back to the generation that was live before. Data: a `ProjectionJob`."""

    type: ClassVar[str] = "RollBackProjection"
    view: ClassVar = ProjectionJob


class VerifyProjection(_OfModel):
    """Starts a comparison with the log; `patience` is how many seconds a document may lack events. Data: a
    `ProjectionJob`.
    """

    type: ClassVar[str] = "VerifyProjection"
    view: ClassVar = ProjectionJob

    repair: bool = False
    patience: Annotated[float, Field(ge=0, le=3600)] = 5.0


class CancelProjectionJob(_OfModel):
    """Ends what is under way. Data: the `ProjectionJob` as it was."""

    type: ClassVar[str] = "CancelProjectionJob"
    view: ClassVar = ProjectionJob


class PruneProjection(_OfModel):
    """Drops generations that are not live. Data: a `PrunedGenerations`."""

    type: ClassVar[str] = "PruneProjection"
    view: ClassVar = PrunedGenerations


class PauseProjection(_OfModel):
    """Its queue keeps the events until it is resumed; holds for all processes, within seconds. Data: a
    `PausedProjection`.
    """

    type: ClassVar[str] = "PauseProjection"
    view: ClassVar = PausedProjection


class ResumeProjection(_OfModel):
    """Data: a `PausedProjection`."""

    type: ClassVar[str] = "ResumeProjection"
    view: ClassVar = PausedProjection


PROJECTION_CONTROLS: tuple[type[ProjectionControl], ...] = (
    ListProjections,
    GetProjectionJob,
    RebuildProjection,
    RollBackProjection,
    VerifyProjection,
    CancelProjectionJob,
    PruneProjection,
    PauseProjection,
    ResumeProjection,
)
