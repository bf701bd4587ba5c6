"""The mutants' table: each mistake has a trial, each trial a mistake, and each promise is one of the oracle's."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.native.layout import ROOT
from tests.chaos.faults.catalogue import CATALOGUE
from tests.chaos.mutants import careless_command, careless_query
from tests.chaos.mutants.__main__ import dies_of
from tests.chaos.mutants.patching import put
from tests.chaos.mutants.trials import ARENAS, TRIALS
from tests.chaos.oracle.read_models import ReadSide
from tests.chaos.oracle.verdict import QUIET, of_the_read_side, of_the_write_side, seen_while_it_ran
from tests.unit.chaos.states import history, letters, stored, traffic


def test_every_mistake_has_a_trial_and_belongs_to_one_service() -> None:
    of_command, of_query = set(careless_command.CARELESS), set(careless_query.CARELESS)

    assert of_command.isdisjoint(of_query)
    assert of_command | of_query == TRIALS.keys()


def test_every_trial_names_an_arena_and_every_arena_names_faults_that_there_are() -> None:
    assert {trial.arena for trial in TRIALS.values()} == ARENAS.keys()
    assert {fault for arena in ARENAS.values() for fault in arena.faults} <= {"calm", *CATALOGUE}


def test_every_promise_of_a_trial_is_one_that_the_oracle_states() -> None:
    empty = ReadSide(models={"users": {}}, details={}, statuses={}, parked=[])
    stated = {
        QUIET,
        *seen_while_it_ran(history()),
        *of_the_write_side(stored(), letters(), traffic(), history()),
        *of_the_read_side(stored(), letters(), traffic(), empty),
    }

    assert {promise for trial in TRIALS.values() for promise in trial.promises} <= stated


@pytest.mark.parametrize("service", ["command", "query"])
def test_every_mistake_still_finds_the_part_that_it_spoils(service: str) -> None:
    """In a process of its own: it would spoil the product for the tests that come after."""
    program = f"from tests.chaos.mutants.careless_{service} import CARELESS; [each() for each in CARELESS.values()]"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 0, done.stderr


def test_a_mutant_whose_part_is_gone_says_so() -> None:
    with pytest.raises(AttributeError, match="the mutant must follow the product"):
        put(careless_query, "no_such_part", None)


def test_a_mutant_that_dies_of_a_mistake_in_python_is_told_from_one_that_makes_its_own(tmp_path: Path) -> None:
    (tmp_path / "query-1.log").write_text("warning trying again error=OutageError\n")
    (tmp_path / "postgres.log").write_text("TypeError is no word of ours here\n")
    assert dies_of(tmp_path) == ""

    (tmp_path / "query-2.log").write_text("started\nerror error=\"AttributeError: no attribute '_load'\"\n")
    assert dies_of(tmp_path) == "query-2.log: error error=\"AttributeError: no attribute '_load'\""
