"""`python -m tests.chaos.mutants`: shows that the oracle catches every mutant, and nothing where there is none."""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from deploy.native.stack import SERVICES, NativeStack
from tests.chaos.faults.calm import Calm
from tests.chaos.faults.catalogue import CATALOGUE, Make
from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.mutants.emptied import empty
from tests.chaos.mutants.trials import ARENAS, TRIALS, Arena
from tests.chaos.run import Plan, run
from tests.support.stack import TESTS, own_servers

PATIENCE_SECONDS = 300.0
"""Of trying a mutant again, with the next seed, before it counts as survivor."""
QUIET_SECONDS = 40.0
CALM_SECONDS = 12.0
MINUTES = 3.0
"""After which no further fault of an arena begins."""
BROKEN = ("AttributeError", "ImportError", "NameError", "TypeError")
"""In a service's log: the mutant no longer fits the product. It dies of that; whatever is found then is no catch."""


@dataclass
class Result:
    mutant: str
    arena: str
    seconds: float = 0.0
    seeds: list[int] = field(default_factory=list)
    caught: list[Violation] = field(default_factory=list)
    """By the promise that it breaks."""
    beside: list[Violation] = field(default_factory=list)
    broken: str = ""
    """What the mutant dies of; it is neither caught nor has it survived."""


def main() -> int:
    """0 when every mutant made its mistake and was caught, and the same arenas without a mutant broke no promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__)
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(TRIALS)}; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-control", action="store_true", help="leave out the runs without a mutant")
    parser.add_argument("--control-only", action="store_true", help="only these, for the arenas of the mutants")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name] or list(TRIALS)
    if unknown := set(names) - TRIALS.keys():
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}: choose from {', '.join(TRIALS)}")
    for library in ("aio_pika", "aiormq"):  # their connections are lost on purpose
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with own_servers() as servers:
        results = [] if given.control_only else [_shown(tried(servers, name, given.seed)) for name in names]
        arenas = {(result.arena, result.seeds[-1]) for result in results}
        if given.control_only:
            arenas = {(TRIALS[name].arena, given.seed) for name in names}
        controls = [] if given.no_control else [_shown(each) for each in _controls(servers, sorted(arenas))]
    sys.stdout.write("\n".join(("", *table(results), "", *summary(results, controls), "")))
    return 0 if all(result.caught for result in results) and not any(it.beside for it in controls) else 1


def tried(servers: NativeStack, mutant: str, seed: int) -> Result:
    """Runs the mutant, seed after seed, until it is caught or has used up our patience."""
    trial = TRIALS[mutant]
    result = Result(mutant, trial.arena)
    while not result.caught and not result.broken and result.seconds < PATIENCE_SECONDS:
        for log in _service_logs(servers.layout.logs):
            log.write_text("")  # of the mutant before
        violations, seconds = violated(servers, ARENAS[trial.arena], seed + len(result.seeds), mutant)
        result.seconds += seconds
        result.seeds.append(seed + len(result.seeds))
        result.broken = dies_of(servers.layout.logs)
        if not result.broken:
            result.caught = [violation for violation in violations if violation.promise in trial.promises]
        result.beside = [violation for violation in violations if violation.promise not in trial.promises]
    return result


def dies_of(logs: Path) -> str:
    """The first line of a service's log that tells of a mistake in Python; empty when there is none."""
    for log in _service_logs(logs):
        for line in log.read_text(errors="replace").splitlines():
            if any(name in line for name in BROKEN):
                return f"{log.name}: {line[:200]}"
    return ""


def _service_logs(folder: Path) -> list[Path]:
    return sorted(path for service in SERVICES for path in folder.glob(f"{service}-*.log"))


def _controls(servers: NativeStack, arenas: Sequence[tuple[str, int]]) -> Iterator[Result]:
    """Each arena once more, with the seed that caught somebody there, and with nobody to catch."""
    for arena, seed in arenas:
        violations, seconds = violated(servers, ARENAS[arena], seed, None)
        yield Result("none", arena, seconds, [seed], beside=violations)


def violated(servers: NativeStack, arena: Arena, seed: int, mutant: str | None) -> tuple[list[Violation], float]:
    """What was broken, and how long that took to find out from when the services ran."""
    if servers.log("command-1").exists():
        asyncio.run(empty(servers))
    layout = replace(servers.layout, command_replicas=arena.replicas, query_replicas=arena.replicas)
    folder = TESTS / "chaos-history"
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        seed,
        minutes=MINUTES,
        faults=dict(_faults(arena)),
        per_second=arena.per_second,
        aggregates=arena.aggregates,
        mixed=False,
        mutant=mutant,
        quiet_seconds=QUIET_SECONDS,
        rebuild=False,
    )
    with History(folder / f"mutant-{mutant}-seed-{seed}.jsonl") as history:
        ledger = asyncio.run(run(NativeStack(layout), plan, history))
    return ledger.violations, ledger.seconds


def _faults(arena: Arena) -> Iterator[tuple[str, Make]]:
    everything: dict[str, Make] = {"calm": _calm, **CATALOGUE}
    times: Counter[str] = Counter()
    for name in arena.faults:
        times[name] += 1
        yield f"{name} {times[name]}", everything[name]


def _calm(_: Random) -> Calm:
    return Calm("calm", CALM_SECONDS)


def _shown(result: Result) -> Result:
    said = (
        f"DOES NOT WORK: {result.broken}"
        if result.broken
        else "; ".join(map(str, (*result.caught, *result.beside))) or "nothing found"
    )
    sys.stderr.write(f"{time.strftime('%T')} {result.mutant} ({result.arena}) {result.seconds:.0f} s: {said}\n")
    return result


def table(results: Sequence[Result]) -> list[str]:
    lines = ["| mutant | arena | caught by | shown by | seconds |", "|---|---|---|---|---|"]
    for result in results:
        promise = (
            result.caught[0].promise if result.caught else "**does not work**" if result.broken else "**survived**"
        )
        ids = f"{len(result.caught[0].shown_by)}: {result.caught[0].shown_by[0][:90]}" if result.caught else ""
        lines.append(f"| `{result.mutant}` | {result.arena} | {promise} | {ids} | {result.seconds:.0f} |")
    return lines


def summary(results: Sequence[Result], controls: Sequence[Result]) -> list[str]:
    survived = [result.mutant for result in results if not result.caught]
    broken = [f"{control.arena}: {violation}" for control in controls for violation in control.beside]
    return [
        f"{len(results) - len(survived)} of {len(results)} mutants caught" + "".join(f", {it} not" for it in survived),
        f"{len(controls)} runs without a mutant: {len(broken)} violations",
        *broken,
    ]


if __name__ == "__main__":
    sys.exit(main())
