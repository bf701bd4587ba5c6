from collections.abc import Mapping
from typing import Protocol

from services.query.control.control_bus import failed
from services.query.projector.fold import Failure
from shared.contracts.answer import Answered, AsOf, ErrorCode, Failed
from shared.contracts.control import HealAggregate, Healing, ParkedBecause


class Healer(Protocol):
    """A projection that can park aggregates (`FoldedProjection`)."""

    async def heal(self, aggregate_id: str) -> Failure | None: ...


class HealAggregateHandler:
    """`healers` by read model."""

    def __init__(self, healers: Mapping[str, Healer]) -> None:
        self._healers = healers

    async def __call__(self, control: HealAggregate) -> Answered | Failed:
        healer = self._healers.get(control.model)
        if healer is None:
            known = ", ".join(sorted(self._healers))
            return failed(ErrorCode.INVALID_MESSAGE, f"no such read model that parks; there are {known}")
        failure = await healer.heal(control.aggregate_id)
        healing = Healing(model=control.model, aggregate_id=control.aggregate_id, still_parked=_because(failure))
        return Answered(data=healing, as_of=AsOf())


def _because(failure: Failure | None) -> ParkedBecause | None:
    if failure is None:
        return None
    return ParkedBecause(version=failure.version, reason=failure.reason, detail=failure.detail)
