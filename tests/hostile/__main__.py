"""`python -m tests.hostile [--only 7,55]`: the bad inputs against a stack of its own or, with CQRS_E2E_EXTERNAL=1, one
that is up.
"""

import argparse
import asyncio
import sys
from contextlib import ExitStack

from tests.hostile.catalogue import CASES
from tests.hostile.report import figures, row, violations
from tests.hostile.run import Fate, run_all
from tests.support.stack import external_env, own_servers, services_on


def main() -> int:
    """0 when every promise held, 1 when not: a line for each on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--only", default="", help="numbers of cases, separated by commas")
    only = {int(number) for number in parser.parse_args().only.split(",") if number}
    cases = [case for case in CASES if not only or case.number in only]
    with ExitStack() as held:
        env = external_env()
        stack = None
        if env is None:
            stack = held.enter_context(services_on(held.enter_context(own_servers())))
            env = stack.env
        sys.stdout.write("| # | input | how it is made | fate |\n|---|---|---|---|\n")
        run = asyncio.run(run_all(env, stack, cases=cases, tell=_show))
    sys.stdout.write("\n" + "\n".join(figures(run)) + "\n")
    found = violations(run)
    for violation in found:
        sys.stderr.write(f"VIOLATION: {violation}\n")
    return 1 if found else 0


def _show(fate: Fate) -> None:
    sys.stdout.write(row(fate) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
