from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

_Shape: TypeAlias = type[BaseModel]


class ProjectionControl(BaseModel):
    """Strict, like a query. `view` is the shape of the data in its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: ClassVar[str]
    view: ClassVar[_Shape]
