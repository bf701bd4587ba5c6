from dataclasses import dataclass

from services.query.projector.hold_ups import PATIENCE_SECONDS, HoldUps

STEP = 0.1
LONG = int(10 * PATIENCE_SECONDS / STEP)


@dataclass
class Runner:
    name: str
    is_busy: bool = False
    progress_at: float = 0.0
    batch_seconds: float = 0.0


def given_up(lanes: list[Runner], steps: int, *, is_full: bool = True, slow: float = 0.0) -> list[str]:
    """Who is given up on in that many looks. `slow` is the part of the time that the first one alone is busy; it is
    always at something, and finishes something all the time.
    """
    hold_ups, found = HoldUps(), []
    for step in range(steps):
        now = step * STEP
        if slow:
            lanes[0].is_busy, lanes[0].progress_at = True, now
            for other in lanes[1:]:
                other.is_busy, other.progress_at = step % 10 >= 10 * slow, now
        found += hold_ups.look(lanes, is_full=is_full, now=now)
    return found


def test_one_that_stands_still_while_another_waits_is_given_up_on() -> None:
    lanes = [Runner("stuck", is_busy=True), Runner("slow", is_busy=True), Runner("waiting")]
    lanes[1].progress_at = 1e9

    assert "stuck" in given_up(lanes, LONG)
    assert "slow" not in given_up(lanes, LONG)


def test_nobody_is_given_up_on_while_there_is_room() -> None:
    assert given_up([Runner("stuck", is_busy=True), Runner("idle")], LONG, is_full=False) == []


def test_nobody_is_given_up_on_when_all_stand_still() -> None:
    assert given_up([Runner("one", is_busy=True), Runner("other", is_busy=True)], LONG) == []


def test_the_last_one_is_never_given_up_on() -> None:
    assert given_up([Runner("stuck", is_busy=True)], LONG) == []


def test_one_that_the_others_always_wait_for_is_given_up_on() -> None:
    assert set(given_up([Runner("slow"), Runner("fast"), Runner("quick")], LONG, slow=0.9)) == {"slow"}


def test_one_that_is_merely_slower_than_the_others_is_not() -> None:
    assert given_up([Runner("slower"), Runner("fast"), Runner("quick")], LONG, slow=0.6) == []


def test_where_batches_take_long_patience_grows() -> None:
    hurried = [Runner("busy", is_busy=True), Runner("waiting")]
    loaded = [Runner("busy", is_busy=True), Runner("waiting", batch_seconds=PATIENCE_SECONDS)]

    assert set(given_up(hurried, int(2 * PATIENCE_SECONDS / STEP))) == {"busy"}
    assert given_up(loaded, int(4 * PATIENCE_SECONDS / STEP)) == []
