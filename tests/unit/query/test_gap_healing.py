from services.query.projector.fold import fold
from services.query.projector.gap_healing import Healed, close_gaps
from services.query.read_models.users import USERS
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import created, deactivated, event, renamed

LOG = [created("alice"), renamed("alice", 2, "Al"), deactivated("alice", 3), renamed("alice", 4, "Alice L")]


async def healed(log: FakeEventLog, *delivered: int, known: int = 0) -> Healed:
    document = fold(USERS, None, LOG[:known]).document
    gap = fold(USERS, document, [LOG[version - 1] for version in delivered])
    return (await close_gaps(USERS, log, {"alice": gap}))["alice"]


async def test_what_is_missing_is_read_from_the_log() -> None:
    healing = await healed(FakeEventLog(LOG[:3]), 3, known=1)

    assert healing.result.version == 3
    assert healing.result.failure is None
    assert healing.result.document is not None
    assert (healing.result.document["name"], healing.result.document["status"]) == ("Al", "deactivated")


async def test_only_what_nobody_delivered_counts_as_healed() -> None:
    healing = await healed(FakeEventLog(LOG), 1, 3)

    assert healing.result.version == 4
    assert healing.added == 2
    assert [event.version for event in healing.result.applied] == [1, 3]


async def test_the_log_may_come_in_many_pages() -> None:
    log = FakeEventLog(LOG, page_size=1)

    assert (await healed(log, 4)).result.version == 4
    assert log.asked == [{"alice": 0}]


async def test_what_was_delivered_and_the_log_does_not_give_yet_is_applied_too() -> None:
    assert (await healed(FakeEventLog(LOG[:2]), 3, 4, known=1)).result.version == 4


async def test_a_hole_in_the_log_is_a_failure() -> None:
    healing = await healed(FakeEventLog(LOG[:1]), 3, 4)

    assert healing.result.version == 1
    assert healing.result.held == 2
    failure = healing.result.failure
    assert failure is not None
    assert (failure.version, failure.reason) == (2, "log_gap")
    assert failure.detail == "the log ends at version 1, and version 3 has arrived"


async def test_an_event_of_the_log_that_can_not_be_applied_is_a_failure() -> None:
    broken = event("UserRenamed", "alice", 2, new_name=7)

    healing = await healed(FakeEventLog([LOG[0], broken, LOG[2]]), 3)

    assert healing.result.version == 1
    assert healing.result.failure is not None
    assert healing.result.failure.reason == "invalid_event"
    assert healing.result.held == 1
