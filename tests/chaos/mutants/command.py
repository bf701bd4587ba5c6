"""`python -m tests.chaos.mutants.command`: the command service with the mistake that CHAOS_MUTANT names.

A mistake of the other service changes nothing here. With CHAOS_KILL_AT it dies at that point, too.
"""

import os
import runpy

from tests.chaos.mutants.careless_command import CARELESS

if __name__ == "__main__":
    if (careless := CARELESS.get(os.environ["CHAOS_MUTANT"])) is not None:
        careless()
    module = "tests.chaos.faulty_command" if "CHAOS_KILL_AT" in os.environ else "services.command"
    runpy.run_module(module, run_name="__main__", alter_sys=True)
