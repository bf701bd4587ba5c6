"""The oracle's checks of PostgreSQL's side: nothing to say of what is right, and ids of what was spoiled by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.history import History
from tests.chaos.oracle.verdict import of_the_write_side, seen_while_it_ran
from tests.support.oracle import Stored
from tests.unit.chaos.states import (
    CREATE,
    LATER,
    LEAVE,
    POISON,
    RENAME,
    accepted,
    event,
    history,
    letters,
    stored,
    traffic,
)

Spoil = Callable[[Stored, dict[str, list[str]], History], Any]


def broken(spoil: Spoil) -> dict[str, list[str]]:
    held, dead, seen = stored(), letters(), history()
    spoil(held, dead, seen)
    checks = {**of_the_write_side(held, dead, traffic(), seen), **seen_while_it_ran(seen)}
    return {promise: ids for promise, found in checks.items() if (ids := sorted(found))}


def test_a_right_state_breaks_no_promise() -> None:
    assert broken(lambda held, dead, seen: None) == {}


@pytest.mark.parametrize(
    ("promise", "names", "spoil"),
    [
        ("every confirmed command has an outcome", RENAME, lambda held, dead, seen: held.outcomes.pop(RENAME)),
        (
            "nothing has an outcome that was not sent",
            "stranger",
            lambda held, dead, seen: held.outcomes.update(stranger=accepted("stranger", 1)),
        ),
        (
            "every outcome that a client got is the only one",
            RENAME,
            lambda held, dead, seen: seen.outcomes[RENAME].append(accepted(RENAME, 3)),
        ),
        (
            "every outcome that a client got is the only one",
            POISON,
            lambda held, dead, seen: seen.outcomes[POISON][0]["error"].update(code="invalid_message"),
        ),
        ("versions are 1 … n for each aggregate", "ann", lambda held, dead, seen: held.events["ann"].pop(1)),
        (
            "versions are 1 … n for each aggregate",
            "ann",
            lambda held, dead, seen: held.events["ann"].append(held.events["ann"][2]),
        ),
        (
            "the log is the accepted commands",
            RENAME,
            lambda held, dead, seen: held.events["ann"].append(
                event(4, "UserRenamed", RENAME, LATER, old_name="Anna", new_name="Anna")
            ),
        ),
        (
            "the log is the accepted commands",
            RENAME,
            lambda held, dead, seen: held.events["ann"][1].update(type="UserReactivated"),
        ),
        (
            "the log is the accepted commands",
            LEAVE,
            lambda held, dead, seen: held.events["ann"].pop(),
        ),
        (
            "the log is the accepted commands",
            RENAME,
            lambda held, dead, seen: held.outcomes.update(
                {RENAME: {"status": "rejected", "command_id": RENAME, "error": {"code": "user_not_found"}}}
            ),
        ),
        (
            "commands of an aggregate are applied in the order they were sent",
            f"ann: {LEAVE} before {RENAME}",
            lambda held, dead, seen: (
                held.events["ann"][1].update(causation_id=LEAVE),
                held.events["ann"][2].update(causation_id=RENAME),
            ),
        ),
        ("the state table is the fold of the log", "ann", lambda held, dead, seen: held.users["ann"].update(name="A")),
        ("the state table is the fold of the log", "ann", lambda held, dead, seen: held.users.pop("ann")),
        (
            "the state table is the fold of the log",
            "bob",
            lambda held, dead, seen: held.users.update(bob=held.users["ann"]),
        ),
        (
            "no two users share an e-mail address",
            "ann and bob",
            lambda held, dead, seen: held.events.update(
                bob=[event(1, "UserCreated", CREATE, LATER, name="Bob", email="ANN@example.com")]
            ),
        ),
        (
            "dead letters are the poison, each with its reason",
            f"{POISON}: [] for unknown_type",
            lambda held, dead, seen: dead.pop(POISON),
        ),
        (
            "dead letters are the poison, each with its reason",
            f"{POISON}: ['invalid_message'] for unknown_type",
            lambda held, dead, seen: dead.update({POISON: ["invalid_message"]}),
        ),
        (
            "dead letters are the poison, each with its reason",
            f"{POISON}: ['unknown_type', 'unknown_type'] for unknown_type",
            lambda held, dead, seen: (dead[POISON].append("unknown_type"), seen.sent.update([POISON])),
        ),
        (
            "dead letters are the poison, each with its reason",
            f"{CREATE}: ['handler_failed'] for None",
            lambda held, dead, seen: dead.update({CREATE: ["handler_failed"]}),
        ),
        ("no version that a client sees goes back", "ann", lambda held, dead, seen: seen.went_back.append("ann")),
        (
            "an outcome is told only once it is safe",
            CREATE,
            lambda held, dead, seen: seen.told_too_early.append(CREATE),
        ),
    ],
)
def test_what_is_spoiled_is_named(promise: str, names: str, spoil: Spoil) -> None:
    assert names in broken(spoil)[promise]
