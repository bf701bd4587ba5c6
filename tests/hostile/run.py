"""One run: good traffic alone, then beside every bad input in turn, then the reckoning."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.hostile.case import Case
from tests.hostile.catalogue import CASES, FIRST_OF_OPERATIONS
from tests.hostile.good_traffic import GoodTraffic, Phase, good_traffic
from tests.hostile.scene import Scene
from tests.hostile.service_connections import changed, connections, connects_and_losses
from tests.support.stack import Stack

ALONE_SECONDS = 8.0
CASE_SECONDS = 150.0
AFTERWARDS_SECONDS = 6.0  # longer than the 5 s by which the broker's statistics may lag


@dataclass(frozen=True)
class Fate:
    """What became of a case: `missed`: why it is not what must be; `skipped`: the stack is not ours to break."""

    case: Case
    met: str = ""
    missed: str | None = None
    skipped: bool = False
    seconds: float = 0.0


@dataclass
class Run:
    fates: dict[int, Fate] = field(default_factory=dict)
    good: GoodTraffic = field(default_factory=lambda: GoodTraffic(""))
    reconnects: list[str] = field(default_factory=list)
    connects_and_losses: float = 0
    letters_missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    letters_too_many: Counter[tuple[str, str]] = field(default_factory=Counter)
    letters: int = 0


async def run_all(
    env: Mapping[str, str],
    stack: Stack | None,
    *,
    cases: Sequence[Case] = CASES,
    tell: Callable[[Fate], None] = lambda fate: None,
) -> Run:
    """Never raises for a fate that was missed: it is in the result."""
    run = Run()
    async with Scene(env, stack) as scene:
        before, counted = await connections(scene), await connects_and_losses(scene)
        async with good_traffic(env["CQRS_AMQP_URL"], scene.run) as run.good:
            scene.good_reply_queue = run.good.reply_queue
            await asyncio.sleep(ALONE_SECONDS)
            for case in cases:
                run.good.phase = Phase.HOSTILE if case.number < FIRST_OF_OPERATIONS else Phase.BROKEN
                run.good.beside = case.number
                run.fates[case.number] = await _meet(scene, case)
                tell(run.fates[case.number])
            run.good.phase, run.good.beside = Phase.ALONE, 0
            await asyncio.sleep(AFTERWARDS_SECONDS)
        run.reconnects = changed(before, await connections(scene))
        run.connects_and_losses = await connects_and_losses(scene) - counted
        letters, expected = Counter(await scene.letters()), Counter(scene.expected_letters)
        run.letters = letters.total()
        run.letters_missing, run.letters_too_many = expected - letters, letters - expected
        await _tidy_up(scene)
    return run


async def _meet(scene: Scene, case: Case) -> Fate:
    if case.breaks_servers and scene.stack is None:
        return Fate(case, skipped=True)
    started = time.monotonic()
    try:
        async with asyncio.timeout(CASE_SECONDS):
            met = await case.meet(scene, scene.key(case.number))
    except Exception as error:  # whatever it is, the fate is not met, and the others are still to be seen
        return Fate(case, missed=f"{type(error).__name__}: {error}", seconds=time.monotonic() - started)
    return Fate(case, met, seconds=time.monotonic() - started)


async def _tidy_up(scene: Scene) -> None:
    """Others look at the same stack: for them there are no dead letters and nobody is parked."""
    await scene.sql.execute("DELETE FROM dead_letters WHERE routing_key LIKE $1", f"hostile-{scene.run}-%")
    await scene.database["parked"].delete_many({"aggregate_id": {"$regex": f"^hostile-{scene.run}-"}})
