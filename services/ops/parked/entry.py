from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An aggregate that a read model can't go on with.

    `version` is the first that could not be applied, `reason` a stable code, `attempts` how often it was tried;
    `healing` while somebody heals it, or when that was interrupted.
    """

    model: str
    aggregate_type: str
    aggregate_id: str
    version: int
    reason: str
    detail: str
    since: datetime
    attempts: int
    healing: bool

    @property
    def name(self) -> str:
        """`users/alice`: the read model and the aggregate's id."""
        return f"{self.model}/{self.aggregate_id}"
