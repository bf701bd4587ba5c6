"""Read your writes: whether a read model shows what its asker knows of."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from services.query.freshness.demand import Demand
from services.query.freshness.version_watch import VersionWatch
from services.query.read_model import Document
from shared.contracts.answer import AnswerError, ErrorCode, Failed

ParkedReasons: TypeAlias = Callable[[Iterable[str]], Awaitable[Mapping[str, str]]]
"""Which of these aggregates are parked, and for what reason."""


class Freshness:
    """Of one folded read model. A token of an aggregate of another type asks nothing of it and counts as met."""

    def __init__(
        self,
        aggregate_type: str,
        watch: VersionWatch,
        parked: ParkedReasons,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._aggregate_type = aggregate_type
        self._watch = watch
        self._parked = parked
        self._is_paused = is_paused

    def is_met(self, demand: Demand, document: Document | None) -> bool:
        """Whether this document alone shows that the demand is met."""
        if not demand.tokens:
            return True
        wanted = self._wanted(demand)
        if document is None:
            return not wanted
        return all(key == document["_id"] and version <= document["version"] for key, version in wanted.items())

    async def wait(self, demand: Demand) -> Failed | None:
        """Waits until the demand is met (None), and at most as long as it allows (`stale_read`)."""
        if not demand.tokens:
            return None
        missing = await self._watch.wait(self._wanted(demand), demand.max_wait)
        if not missing:
            return None
        return Failed(error=AnswerError(code=ErrorCode.STALE_READ, message=await self._why(missing), retryable=True))

    async def _why(self, missing: Mapping[str, int]) -> str:
        behind = ", ".join(f"{self._aggregate_type}/{key}@{version}" for key, version in missing.items())
        parked = await self._parked(missing)
        if not parked:
            return f"the read model has not reached {behind} yet" + (": it is paused" if self._is_paused() else "")
        named = ", ".join(f"{self._aggregate_type}/{key} is parked ({reason})" for key, reason in parked.items())
        return f"the read model has not reached {behind}: {named}"

    def _wanted(self, demand: Demand) -> dict[str, int]:
        return {t.aggregate_id: t.version for t in demand.tokens if t.aggregate_type == self._aggregate_type}
