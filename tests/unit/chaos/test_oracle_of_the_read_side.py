"""The oracle's checks of MongoDB's side: nothing to say of what is right, and ids of what was spoiled by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.chaos.oracle.read_models import ReadSide
from tests.chaos.oracle.rebuilt import differences
from tests.chaos.oracle.signup_stats import buckets, counted_days
from tests.chaos.oracle.verdict import of_the_read_side
from tests.unit.chaos.states import (
    CREATE,
    LAST,
    LATER,
    POISON,
    SAME_NAME,
    account,
    days,
    entries,
    letters,
    statuses,
    stored,
    traffic,
)

TOLD_BY_OUTCOME = {SAME_NAME, POISON}
JANUARY_31 = datetime(2026, 1, 31, tzinfo=UTC)
FEBRUARY_2 = datetime(2026, 2, 2, tzinfo=UTC)


def read_side() -> ReadSide:
    document = {"_id": "ann", **{key: value for key, value in account().items() if key != "user_id"}}
    return ReadSide(
        models={
            "users": {"ann": document},
            "user_directory": {"ann": dict(document)},
            "user_history": {"ann": {"_id": "ann", "version": 3, "updated_at": LAST}},
            "signup_stats": {"ann": {"_id": "ann", "version": 3, "active": False}},
        },
        details={"user_history": entries(), "signup_stats": days()},
        statuses=statuses(),
        parked=[],
    )


def broken(reading: ReadSide) -> dict[str, list[str]]:
    checks = of_the_read_side(stored(), letters(), traffic(), reading)
    return {promise: ids for promise, found in checks.items() if (ids := sorted(found))}


def test_a_right_state_breaks_no_promise() -> None:
    assert broken(read_side()) == {}


@pytest.mark.parametrize(
    ("promise", "names", "spoil"),
    [
        (
            "read model users is the fold of the log",
            "ann: another content",
            lambda reading: reading.models["users"]["ann"].update(name="A"),
        ),
        (
            "read model users is the fold of the log",
            "ann: 3 events, a document of version 2",
            lambda reading: reading.models["users"]["ann"].update(version=2),
        ),
        (
            "read model user_directory is the fold of the log",
            "ann: 3 events, no document",
            lambda reading: reading.models["user_directory"].clear(),
        ),
        (
            "read model signup_stats is the fold of the log",
            "bob: 0 events, a document",
            lambda reading: reading.models["signup_stats"].update(bob={"version": 1}),
        ),
        (
            "the read side knows what became of each command",
            f"{CREATE}: (None, None, None) for ('accepted', 1, None)",
            lambda reading: reading.statuses.pop(CREATE),
        ),
        (
            "the read side knows what became of each command",
            f"{POISON}: ('rejected', None, 'expired') for ('rejected', None, 'unknown_type')",
            lambda reading: reading.statuses[POISON].update(code="expired"),
        ),
        ("no aggregate is parked", "users/ann", lambda reading: reading.parked.append("users/ann")),
        (
            "user_history has an entry for each event of the log",
            "ann@2: missing",
            lambda reading: reading.details["user_history"].pop(("ann", 2)),
        ),
        (
            "user_history has an entry for each event of the log",
            "ann@4: of no event",
            lambda reading: reading.details["user_history"].update({("ann", 4): entries()["ann", 3]}),
        ),
        (
            "user_history has an entry for each event of the log",
            "ann@3: another changes",
            lambda reading: reading.details["user_history"]["ann", 3]["changes"].pop(),
        ),
        (
            "user_history has an entry for each event of the log",
            "ann@1: another time",
            lambda reading: reading.details["user_history"]["ann", 1].update(time=LATER),
        ),
        (
            "signup_stats counts each event once",
            "2026-01-31: {'signups': 2",
            lambda reading: reading.details["signup_stats"][JANUARY_31].update(signups=2),
        ),
        (
            "signup_stats counts each event once",
            "2026-01-31: {'signups': 0",
            lambda reading: reading.details["signup_stats"].pop(JANUARY_31),
        ),
        (
            "signup_stats counts each event once",
            "2026-02-02: {'signups': 1",
            lambda reading: reading.details["signup_stats"].update({FEBRUARY_2: {"signups": 1}}),
        ),
    ],
)
def test_what_is_spoiled_is_named(promise: str, names: str, spoil: Callable[[ReadSide], Any]) -> None:
    reading = read_side()
    spoil(reading)
    assert any(found.startswith(names) for found in broken(reading)[promise])


def test_a_read_side_that_keeps_no_details_lacks_them_all() -> None:
    found = broken(replace(read_side(), details={}))

    assert len(found["user_history has an entry for each event of the log"]) == 3
    assert len(found["signup_stats counts each event once"]) == 2


def test_what_was_rebuilt_may_differ_in_when_an_outcome_was_told_and_in_nothing_else() -> None:
    anew = read_side()
    anew.statuses[SAME_NAME]["time"] = LATER
    anew.statuses[POISON]["time"] = LATER
    assert list(differences(read_side(), anew, TOLD_BY_OUTCOME)) == []

    anew.models["users"]["ann"]["name_key"] = "anna"
    without_january = {day: counters for day, counters in days().items() if day != JANUARY_31}
    anew.details["user_history"]["ann", 1]["actor"] = "somebody"
    anew = replace(
        anew,
        details={**anew.details, "signup_stats": without_january},
    )
    anew.statuses[CREATE]["time"] = LATER
    assert list(differences(read_side(), anew, TOLD_BY_OUTCOME)) == [
        "users ann: another name_key",
        f"signup_stats.details {JANUARY_31}: only live",
        "user_history.details ('ann', 1): another actor",
        f"command_status {CREATE}: another time",
    ]


def test_days_without_events_are_buckets_too_and_months_are_put_together() -> None:
    counted = counted_days(stored().events)
    nothing = {"signups": 0, "deactivations": 0, "reactivations": 0}

    assert list(counted) == [date(2026, 1, 31), date(2026, 2, 3)]
    assert buckets(counted, "day") == [
        nothing | {"bucket": "2026-01-31", "signups": 1, "active_total": 1},
        nothing | {"bucket": "2026-02-01", "active_total": 1},
        nothing | {"bucket": "2026-02-02", "active_total": 1},
        nothing | {"bucket": "2026-02-03", "deactivations": 1, "active_total": 0},
    ]
    assert buckets(counted, "month") == [
        nothing | {"bucket": "2026-01-01", "signups": 1, "active_total": 1},
        nothing | {"bucket": "2026-02-01", "deactivations": 1, "active_total": 0},
    ]
