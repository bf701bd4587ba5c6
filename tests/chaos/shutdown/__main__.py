"""`python -m tests.chaos.shutdown`: SIGTERM under load, many times; says whether each end was a clean one."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.chaos.history import History
from tests.chaos.shutdown.observations import counted
from tests.chaos.shutdown.stops import REPLICAS, Stop, Stops, stop_many_times
from tests.support.stack import TESTS, own_servers


def main() -> int:
    """0 when every process ended as it should and every promise held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.shutdown", description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = TESTS / "chaos-history"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-stops-{given.seed}.jsonl"
    with History(file) as history, own_servers(command_replicas=REPLICAS, query_replicas=REPLICAS) as servers:
        stops = asyncio.run(stop_many_times(servers, history, times=given.times, seed=given.seed))
    sys.stdout.write("\n".join(report(stops)) + f"\nhistory: {file}\n")
    return 1 if stops.violations else 0


def report(stops: Stops) -> Iterator[str]:
    sums = counted(stops.seen)
    yield f"{'SIGTERM':<26}{'times':>6}{'exit codes':>14}{'p50':>7}{'p95':>7}{'max':>7}  seconds until it had ended"
    for name, starting in (("at work", False), ("while it starts", True)):
        for service in ("command", "query"):
            made = [stop for stop in stops.made if stop.starting == starting and stop.part.startswith(service)]
            if made:
                yield row(f"{service}, {name}", made)
    yield f"commands confirmed {stops.confirmed}; deliveries acknowledged {sums['acked']}"
    yield f"taken again after they had been given back {sums['given back']}"
    yield from (str(violation) for violation in stops.violations)
    yield f"{len(stops.violations)} violations"


def row(name: str, made: list[Stop]) -> str:
    seconds = sorted(stop.seconds for stop in made)
    p50, p95 = (seconds[min(len(seconds) - 1, int(share * len(seconds)))] for share in (0.5, 0.95))
    codes = ", ".join(f"{code}: {times}×" for code, times in Counter(stop.exit_code for stop in made).items())
    return f"{name:<26}{len(made):>6}{codes:>14}{p50:>7.1f}{p95:>7.1f}{seconds[-1]:>7.1f}"


if __name__ == "__main__":
    sys.exit(main())
