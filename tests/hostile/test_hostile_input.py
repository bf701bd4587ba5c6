"""Each bad input meets its fate while good traffic flows: run once, all together, and a test for each."""

import pytest

from tests.hostile.case import Case
from tests.hostile.catalogue import CASES
from tests.hostile.good_traffic import Phase, percentile
from tests.hostile.report import DELAY_LIMIT_SECONDS
from tests.hostile.run import Run, run_all
from tests.support.stack import Stack, external_env

# The whole run is inside the first test's set-up, and servers that start.
pytestmark = pytest.mark.timeout(420)

NOISY_MACHINE_SECONDS = 15.0
"""`make hostile` on a quiet machine holds the good messages to a second. Here the servers share two cores with whatever
else runs, so a stall is told from the machine's own by comparison with the traffic alone, and this is the end of it."""


@pytest.fixture(scope="module")
async def run(request: pytest.FixtureRequest, stack_env: dict[str, str]) -> Run:
    stack: Stack | None = None if external_env() is not None else request.getfixturevalue("stack")
    return await run_all(stack_env, stack)


def test_all_66_are_there() -> None:
    assert [case.number for case in CASES] == list(range(1, 67))


@pytest.mark.parametrize("case", CASES, ids=[f"{case.number:02d}_{case.fate}" for case in CASES])
def test_bad_input(run: Run, case: Case) -> None:
    fate = run.fates[case.number]
    if fate.skipped:
        pytest.skip("needs a stack of its own")
    assert fate.missed is None, f"{case.name}: {fate.missed}"


def test_no_service_reconnects(run: Run) -> None:
    assert (run.reconnects, run.connects_and_losses) == ([], 0)


def test_dead_letters_are_exactly_the_hostile_ones(run: Run) -> None:
    assert run.letters > 0
    assert (dict(run.letters_missing), dict(run.letters_too_many)) == ({}, {})


def test_every_good_message_has_its_outcome_and_none_waits_for_a_hostile_one(run: Run) -> None:
    for kind in ("command", "query"):
        alone, beside = run.good.of(Phase.ALONE, kind), run.good.of(Phase.HOSTILE, kind)
        assert len(alone) > 20
        assert len(beside) > 20
        assert percentile(beside, 0.5) < percentile(alone, 0.5) + DELAY_LIMIT_SECONDS
        assert percentile(beside, 1.0) < percentile(alone, 1.0) + NOISY_MACHINE_SECONDS
    assert run.good.failed(Phase.ALONE, Phase.HOSTILE) == []
    assert [each for each in run.good.failed(Phase.BROKEN) if each.kind == "command"] == []


def test_a_reply_that_another_asked_for_is_passed_over(run: Run) -> None:
    assert run.good.strangers == 1
