from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.query.domain_event import DomainEvent, domain_event
from services.query.projector.fold import fold
from services.query.read_model import Increment
from services.query.read_models.signup_stats import SIGNUP_STATS
from services.query.read_models.signup_stats.buckets import buckets
from services.query.read_models.signup_stats.counting import increments
from shared.contracts.queries import GetSignupStats
from tests.unit.query.given_events import created, deactivated, event, reactivated, renamed

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def on(moment: datetime, happened: DomainEvent) -> DomainEvent:
    return domain_event(happened.envelope.model_copy(update={"time": moment}))


def day(number: int, **counters: int) -> dict[str, Any]:
    return {"_id": DAY + timedelta(days=number - 1), "updated_at": DAY, **counters}


def test_each_event_counts_on_its_day_of_utc() -> None:
    late = datetime(2026, 3, 1, 23, 59, 59, 999000, tzinfo=UTC)
    elsewhere = datetime(2026, 3, 2, 0, 30, tzinfo=UTC).astimezone()
    on_the_day = on(late, created("alice"))
    off = on(elsewhere, deactivated("alice", 2))

    folded = fold(SIGNUP_STATS, None, [on_the_day, off])

    assert folded.document == {"_id": "alice", "version": 2, "active": False}
    assert folded.details == (
        Increment(DAY, {"signups": 1, "active": 1}, late),
        Increment(DAY + timedelta(days=1), {"deactivations": 1, "active": -1}, off.time),
    )


def test_what_is_no_sign_up_and_no_change_of_status_counts_nothing() -> None:
    assert increments({"active": True}, renamed("alice", 2, "Al")) == ()
    assert increments({"active": True}, event("UserKnighted", "alice", 2)) == ()


def test_only_who_was_inactive_becomes_active() -> None:
    (again,) = increments({"active": True}, reactivated("alice", 3))

    assert again.amounts == {"reactivations": 1}


def test_an_order_or_repetition_of_delivery_counts_nothing_twice() -> None:
    story = [created("alice"), deactivated("alice", 2), reactivated("alice", 3)]

    folded = fold(SIGNUP_STATS, None, [story[2], story[0], story[1], *story])
    again = fold(SIGNUP_STATS, folded.document, story)

    assert [dict(each.amounts) for each in folded.details if isinstance(each, Increment)] == [
        {"signups": 1, "active": 1},
        {"deactivations": 1, "active": -1},
        {"reactivations": 1, "active": 1},
    ]
    assert again.details == ()


def test_days_carry_the_active_over_and_have_no_hole() -> None:
    days = [
        day(-1, signups=5, active=5),
        day(2, signups=2, deactivations=1, active=1),
        day(4, deactivations=3, active=-3),
    ]

    shown = [tuple(each.values()) for each in buckets(days, "day", date(2026, 3, 1), date(2026, 3, 4))]

    assert shown == [
        (date(2026, 3, 1), 0, 0, 0, 5),
        (date(2026, 3, 2), 2, 1, 0, 6),
        (date(2026, 3, 3), 0, 0, 0, 6),
        (date(2026, 3, 4), 0, 3, 0, 3),
    ]


def test_months_sum_up_their_days_across_the_year() -> None:
    days = [
        {"_id": datetime(2025, 12, 31, tzinfo=UTC), "signups": 2, "active": 2},
        {"_id": datetime(2026, 1, 1, tzinfo=UTC), "signups": 1, "reactivations": 1, "active": 2},
        {"_id": datetime(2026, 1, 31, tzinfo=UTC), "deactivations": 1, "active": -1},
    ]

    assert buckets(days, "month", date(2025, 12, 15), date(2026, 2, 1)) == [
        {"bucket": date(2025, 12, 1), "signups": 2, "deactivations": 0, "reactivations": 0, "active_total": 2},
        {"bucket": date(2026, 1, 1), "signups": 1, "deactivations": 1, "reactivations": 1, "active_total": 3},
        {"bucket": date(2026, 2, 1), "signups": 0, "deactivations": 0, "reactivations": 0, "active_total": 3},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2020-01-01", "to": "2026-03-01"},
        {"from": "2026-02-30"},
        {"from": "2026-03-01T00:00:00"},
        {"from": "20260301"},
        {"from": 1},
        {"to": "0001-01-01T00:00:00+14:00"},
        {"to": {"$gt": ""}},
        {"from_": "2026-03-01"},
        {"bucket": "hour"},
    ],
)
def test_a_period_that_can_not_be_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GetSignupStats.model_validate(body)


def test_a_time_means_its_day_of_utc_and_a_thousand_buckets_are_taken() -> None:
    query = GetSignupStats.model_validate({"from": "2026-03-01T23:30:00-01:00", "to": "2028-11-25"})

    assert query.from_ == date(2026, 3, 2)
    assert GetSignupStats.model_validate({"from": "1950-01-01", "to": "2026-03-01", "bucket": "month"}).from_
