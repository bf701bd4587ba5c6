"""`python -m tests.chaos`: breaks a native stack of its own for some minutes, and says whether every promise held."""

import argparse
import asyncio
import logging
import sys
from datetime import UTC, datetime

from tests.chaos.faults.catalogue import SMALL_DISKS, chosen, left_out
from tests.chaos.history import History
from tests.chaos.mutants.trials import TRIALS
from tests.chaos.run import Plan, run
from tests.support.stack import TESTS, own_servers

REPLICAS = 3


def main() -> int:
    """0 when every promise held, 1 when one was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--faults", default="", help="comma-separated beginnings of names, -name without those; all by default"
    )
    parser.add_argument("--mutant", choices=("", *TRIALS), default="", help="services with this mistake")
    given = parser.parse_args()
    try:
        faults = chosen([name for name in given.faults.split(",") if name])
    except ValueError as error:
        parser.error(str(error))
    for name, why in left_out(faults).items():
        sys.stdout.write(f"left out: {name}: {why}\n")
        del faults[name]
    if not faults:
        parser.error("none of these faults can be made here")
    for library in ("aio_pika", "aiormq"):  # their connections are lost on purpose
        logging.getLogger(library).setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # warns of each write to a connection that was cut
    folder = TESTS / "chaos-history"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-seed-{given.seed}.jsonl"
    plan = Plan(given.seed, given.minutes, faults, mutant=given.mutant or None)
    small_disks = any(name.startswith(SMALL_DISKS) for name in faults)
    with (
        History(file) as history,
        own_servers(command_replicas=REPLICAS, query_replicas=REPLICAS, small_disks=small_disks) as servers,
    ):
        ledger = asyncio.run(run(servers, plan, history))
    sys.stdout.write(f"{ledger}\nhistory: {file}\n")
    return 1 if ledger.violations else 0


if __name__ == "__main__":
    sys.exit(main())
