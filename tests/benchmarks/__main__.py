"""`python -m tests.benchmarks`: everything measured beside the peers, round after round, on servers of its own."""

import argparse
import asyncio
import shutil
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from deploy.native.errors import StackError
from deploy.native.layout import ROOT
from deploy.native.stack import NativeStack
from tests.benchmarks.duration import expected_seconds, in_words, left_seconds
from tests.benchmarks.figures import lines, unmeasured
from tests.benchmarks.peer_environment import peers_python
from tests.benchmarks.readme import put
from tests.benchmarks.report import as_json, details, draw, table, write
from tests.benchmarks.scale import Scale
from tests.benchmarks.sections.drains import drains
from tests.benchmarks.sections.growth import growth
from tests.benchmarks.sections.loads import cpu, latency
from tests.benchmarks.sections.memory import memory
from tests.benchmarks.sections.rebuild import rebuild
from tests.benchmarks.sections.rpc import rpc
from tests.benchmarks.session import Reporter, Session, end_as_by_hand, session
from tests.support.stack import own_servers

FOLDER = ROOT / ".native" / "bench"
WIDTH = 100
KEPT = Path(__file__).parent / "results"
SECTIONS: dict[str, Callable[[Session], Awaitable[None]]] = {
    "drain": drains,
    "latency": latency,
    "cpu": cpu,
    "rpc": rpc,
    "rebuild": rebuild,
    "memory": memory,
    "growth": growth,
}


def main() -> int:
    """0 when all was measured, 1 when something was not; what was measured is shown all the same."""
    given = _parser().parse_args()
    chosen = [name for name in given.only.split(",") if name] or list(SECTIONS)
    if unknown := set(chosen) - SECTIONS.keys():
        sys.exit(f"error: there is no {', '.join(sorted(unknown))}: choose from {', '.join(SECTIONS)}")
    scale = Scale() if given.scale == 1 else Scale().smaller(given.scale)
    end_as_by_hand()
    logs = FOLDER / "log"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    python = peers_python(FOLDER / "venv")
    with own_servers() as servers, Reporter() as reporter:
        servers.set_up()
        done, failed = asyncio.run(_measure(servers, scale, reporter, python, logs, chosen, given.rounds))
    command = f"make bench ROUNDS={given.rounds}" + (f" ONLY={given.only}" if given.only else "")
    command += f" SCALE={given.scale:g}" if given.scale != 1 else ""
    file = write(FOLDER, as_json(done.samples, done.notes, scale, command))
    picture = file.with_suffix(".png")
    draw(python, file, picture)
    if given.keep:
        results = as_json(done.samples, done.notes, scale, command)
        write(KEPT, results)
        shutil.copy(picture, KEPT)
        put(ROOT / "README.md", results)
    _show(done, [file, picture])
    missing = unmeasured(done.samples, chosen)
    for name in missing:
        sys.stderr.write(f"error: {name} was not measured\n")
    return 1 if failed or missing else 0


async def _measure(
    servers: NativeStack,
    scale: Scale,
    reporter: Reporter,
    python: Path,
    logs: Path,
    chosen: Sequence[str],
    rounds: int,
) -> tuple[Session, list[str]]:
    """A section that fails is left out from then on; the others go on."""
    failed: list[str] = []
    expected = expected_seconds(chosen, scale, range(rounds))
    reporter.say(f"{rounds} rounds of {', '.join(chosen)}: {in_words(expected)} on two cores with nothing else to do")
    began = time.monotonic()
    async with session(servers, scale, reporter, python, logs) as running:
        for number in range(rounds):
            running.round = number
            left = left_seconds(chosen, scale, number, rounds, time.monotonic() - began)
            reporter.say(f"round {number + 1} of {rounds}" + (f": {in_words(left)} left" if number else ""))
            for name in chosen:
                if name in failed:
                    continue
                try:
                    await SECTIONS[name](running)
                except Exception as error:
                    failed.append(name)
                    traceback.print_exception(error)
                    running.note(f"{name} failed in round {number + 1}: {error!r}")
                await running.quiet()
    return running, failed


def _show(done: Session, files: Sequence[Path]) -> None:
    console = Console(highlight=False, width=WIDTH)
    console.print(details(done.samples))
    console.print(table(done.samples))
    for note in done.notes:
        console.print(f"note: {note}")
    for file in files:
        console.print(f"written: {file.relative_to(ROOT)}")
    sys.stdout.write("".join(f"{line}\n" for line in lines(done.samples)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help=f"comma-separated: {', '.join(SECTIONS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of everything, to see whether it works")
    parser.add_argument("--keep", action="store_true", help="also into tests/benchmarks/results and the README")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StackError as error:
        sys.exit(f"{error.details}\nerror: {error}")
