from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ops.commands.projection import exit_code
from services.ops.exit_code import ExitCode
from services.ops.rendering.projections import ended_text, projections_table
from shared.contracts.control.projections import (
    Difference,
    Projection,
    ProjectionJob,
    ProjectionList,
    VerificationReport,
)
from tests.unit.ops.plain_text import plain_text

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def job(kind: str = "rebuild", state: str = "done", **about: Any) -> ProjectionJob:
    times = {"started_at": NOW - timedelta(seconds=65), "at": NOW, "finished_at": NOW}
    return ProjectionJob.model_validate({"kind": kind, "state": state, "phase": state, "target": 2, **times, **about})


def report(*named: Difference, repaired: int = 0, parked: int = 0) -> VerificationReport:
    return VerificationReport(
        events=9, documents=5, details=0, parked=parked, differences=len(named), repaired=repaired, named=list(named)
    )


BEHIND = Difference(place="documents", id="alice", kind="behind", found_version=2, expected_version=3)
INVENTED = Difference(place="details", id="user_id=bob,version=9", kind="invented", repaired=True)


def test_read_models_are_listed_with_lag_generations_and_work() -> None:
    filling = job(state="running").model_copy(update={"phase": "filling", "done": 250, "total": 1000})
    users = Projection(
        model="users",
        generation=2,
        generations=[1, 2],
        paused=False,
        parked=1,
        position=40,
        lag_events=2,
        lag_seconds=1.25,
        rebuildable=True,
        job=filling,
    )
    history = Projection(model="history", generation=1, generations=[1], paused=True, parked=0, rebuildable=True)

    shown = plain_text(projections_table(ProjectionList(head=42, projections=[users, history])))

    lines = [line.split() for line in shown.splitlines()]
    assert lines[1] == ["users", "live", "2", "(1)", "40", "2", "1.2", "1", "rebuild:", "filling", "25", "%"]
    assert lines[2] == ["history", "paused", "1", "–", "–", "–", "0"]
    assert "head of the event log: 42" in shown


def test_a_rebuild_that_is_done_says_the_way_back() -> None:
    shown = plain_text(ended_text("users", job()))

    assert "users: generation 2 is live, after 65 s" in shown
    assert "cqrs projection rollback users" in shown


def test_a_rebuild_that_failed_says_why() -> None:
    shown = plain_text(ended_text("users", job(state="failed", error="verification has found 1 differences")))

    assert "rebuild of users failed: verification has found 1 differences" in shown


def test_differences_are_named() -> None:
    shown = plain_text(ended_text("users", job("verify", report=report(BEHIND, INVENTED, repaired=1, parked=3))))

    assert "2 differences, 1 of them repaired" in shown
    assert "behind: alice (version 2, not 3)" in shown
    assert "invented: user_id=bob,version=9 (detail), repaired" in shown
    assert "3 parked" in shown


@pytest.mark.parametrize(
    ("of", "code"),
    [
        (job(), ExitCode.OK),
        (job(state="running"), ExitCode.OK),
        (job(state="failed"), ExitCode.NO),
        (job(state="cancelled"), ExitCode.NO),
        (job("verify", report=report()), ExitCode.OK),
        (job("verify", report=report(BEHIND)), ExitCode.NO),
        (job("verify", report=report(INVENTED, repaired=1)), ExitCode.OK),
    ],
)
def test_the_exit_code_says_whether_all_is_well(of: ProjectionJob, code: ExitCode) -> None:
    assert exit_code(of) is code
