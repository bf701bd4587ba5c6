from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.control.projection_control import ProjectionControl


class ParkedBecause(BaseModel):
    """`version` is the first that could not be applied, `reason` a stable code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    reason: str
    detail: str


class Healing(BaseModel):
    """`still_parked` says why the aggregate could not be healed; null when it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str
    aggregate_id: str
    still_parked: ParkedBecause | None = None


class HealAggregate(ProjectionControl):
    """Applies to a read model what the event log holds of an aggregate beyond its document, and unparks it.

    Data: a `Healing`. Healing what is not parked is harmless, and so is doing it twice.
    """

    type: ClassVar[str] = "HealAggregate"
    view: ClassVar = Healing

    model: Annotated[str, Field(min_length=1, max_length=64)]
    aggregate_id: Annotated[str, Field(min_length=1, max_length=64)]
