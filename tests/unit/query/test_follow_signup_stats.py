import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from services.query.freshness.demand import Demand
from services.query.live.follower import Beginning, Follower
from services.query.live.subscription import Subscription
from services.query.read_models.signup_stats.follow_signup_stats import SignupStatsFollower
from shared.contracts.answer import Answered, AsOf
from shared.contracts.queries import GetSignupStats

BEFORE_MIDNIGHT = datetime(2026, 11, 22, 23, 59, 59, 950_000, tzinfo=UTC)


class Scene:
    """The answer is whatever day it is."""

    def __init__(self, query: GetSignupStats) -> None:
        self.now = BEFORE_MIDNIGHT
        self.follower: Follower = SignupStatsFollower(query, self.ask, source=self.source, clock=lambda: self.now)

    async def ask(self, _demand: Demand) -> Answered:
        return Answered(data={"items": [{"bucket": str(self.now.date())}]}, as_of=AsOf())

    def source(self) -> Any:
        return SimpleNamespace(name="signup_stats.g1.details")


async def test_a_period_up_to_today_is_looked_at_anew_at_midnight() -> None:
    scene = Scene(GetSignupStats())
    subscription = Subscription(UUID(int=1), "GetSignupStats", "reply.me", None, scene.follower, 30.0)
    beginning = await scene.follower.begin(Demand(), None)
    assert isinstance(beginning, Beginning)

    await subscription.news()
    scene.now += timedelta(seconds=1)
    [update] = await scene.follower.again()

    assert subscription.missed
    assert isinstance(update.answer, Answered)
    assert update.answer.data["items"] == [{"bucket": "2026-11-23"}]
    assert await scene.follower.again() == []


@pytest.mark.parametrize(
    ("query", "patience"),
    [(GetSignupStats(), 0.05), (GetSignupStats(to=date(2026, 11, 22)), None)],
)
async def test_only_a_period_without_an_end_changes_by_itself(query: GetSignupStats, patience: float | None) -> None:
    assert Scene(query).follower.patience == (patience if patience is None else pytest.approx(patience))


async def test_news_that_come_first_are_no_reason_to_look_anew() -> None:
    scene = Scene(GetSignupStats())
    subscription = Subscription(UUID(int=1), "GetSignupStats", "reply.me", None, scene.follower, 30.0)
    subscription.offer(SimpleNamespace())  # type: ignore[arg-type]

    async with asyncio.timeout(1):
        await subscription.news()

    assert not subscription.missed
