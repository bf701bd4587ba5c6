"""`python -m tests.hostile`: the 66 bad inputs against a stack of its own, or (CQRS_E2E_EXTERNAL=1) one that is up."""

import asyncio
import sys
from contextlib import ExitStack

from tests.hostile.report import figures, row, violations
from tests.hostile.run import Fate, run_all
from tests.support.stack import external_env, own_servers, services_on


def main() -> int:
    """0 when every promise held, 1 when not: a line for each on stderr."""
    with ExitStack() as held:
        env = external_env()
        stack = None
        if env is None:
            stack = held.enter_context(services_on(held.enter_context(own_servers())))
            env = stack.env
        sys.stdout.write("| # | input | how it is made | fate |\n|---|---|---|---|\n")
        run = asyncio.run(run_all(env, stack, tell=_show))
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
