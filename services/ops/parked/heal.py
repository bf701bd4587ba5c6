"""Parked aggregates, healed by the query service."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.ops.parked.entry import Parked
from services.ops.parked.projection_control import Caller, told
from shared.contracts.answer import Failed
from shared.contracts.control import HealAggregate, Healing

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Healed:
    """`why_not` is None for one that is healed; else `reason` is a stable code and `why_not` says more."""

    name: str
    reason: str | None = None
    why_not: str | None = None


async def heal(
    caller: Caller,
    entries: Sequence[Parked],
    *,
    timeout: float,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Healed]:
    """What became of each, in the same order; a few are healed at a time. `timeout` is in seconds, for each.

    Raises OpsError when the query service does not answer.
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(entry: Parked) -> Healed:
        control = HealAggregate(model=entry.model, aggregate_id=entry.aggregate_id)
        async with turn:
            answer = await told(caller, control, timeout=timeout)
        progress(1)
        if isinstance(answer, Failed):
            return Healed(entry.name, answer.error.code, answer.error.message)
        because = Healing.model_validate(answer.data).still_parked
        if because is None:
            return Healed(entry.name)
        return Healed(entry.name, because.reason, f"version {because.version}: {because.detail}")

    tasks = [asyncio.ensure_future(one(entry)) for entry in entries]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
