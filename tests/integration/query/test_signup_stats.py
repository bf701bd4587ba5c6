import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient, InsertOne

from services.query.domain_event import DomainEvent, domain_event
from services.query.mongo.bulk import Written, write
from services.query.mongo.collections import Collections
from services.query.mongo.setup import ensure_indexes
from services.query.projector.folded_projection import FoldedProjection
from services.query.projector.parking import Parking
from services.query.projector.projection import ContendedError
from services.query.projector.targets import OneTarget
from services.query.read_model import Document
from services.query.read_models.signup_stats import SIGNUP_STATS
from services.query.read_models.signup_stats.get_signup_stats import days_request
from shared.contracts.queries import GetSignupStats
from tests.integration.query.query_scene import Scene, seen, stages_of
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import created, deactivated, reactivated, renamed

FIRST = datetime(2026, 1, 30, 12, tzinfo=UTC)


@pytest.fixture
async def scene(collections: Collections) -> AsyncIterator[Scene]:
    scene = Scene(collections)
    yield scene
    await scene.models.close()


def on(day: int, happened: DomainEvent) -> DomainEvent:
    """That event, so many days after 30 January 2026."""
    return domain_event(happened.envelope.model_copy(update={"time": FIRST + timedelta(days=day)}))


def counts(answer: dict[str, Any]) -> list[tuple[str, int, int, int, int]]:
    return [
        (
            each["bucket"].isoformat(),
            each["signups"],
            each["deactivations"],
            each["reactivations"],
            each["active_total"],
        )
        for each in answer["items"]
    ]


STORY = [
    on(0, created("alice")),
    on(0, created("bob")),
    on(1, deactivated("alice", 2)),
    on(3, created("carol")),
    on(3, reactivated("alice", 3)),
]
DAYS = [
    ("2026-01-30", 2, 0, 0, 2),
    ("2026-01-31", 0, 1, 0, 1),
    ("2026-02-01", 0, 0, 0, 1),
    ("2026-02-02", 1, 0, 1, 3),
]


async def test_days_are_counted(scene: Scene) -> None:
    await scene.project(*STORY)

    answer = await scene.ask("GetSignupStats", **{"from": "2026-01-30", "to": "2026-02-02"})

    assert counts(answer) == DAYS
    assert answer["as_of"] == (None, FIRST + timedelta(days=3))


async def test_a_part_of_the_days_knows_who_was_active_before(scene: Scene) -> None:
    await scene.project(*STORY)

    assert counts(await scene.ask("GetSignupStats", **{"from": "2026-01-31", "to": "2026-02-01"})) == DAYS[1:3]


async def test_months_are_whole(scene: Scene) -> None:
    await scene.project(*STORY)

    assert counts(await scene.ask("GetSignupStats", bucket="month", to="2026-02-01")) == [
        ("2026-01-01", 2, 1, 0, 1),
        ("2026-02-01", 1, 0, 1, 3),
    ]


async def test_without_a_period_it_goes_from_the_first_sign_up_to_today(scene: Scene) -> None:
    await scene.project(*STORY)

    shown = counts(await scene.ask("GetSignupStats"))

    assert shown[:4] == DAYS
    assert shown[-1] == (datetime.now(UTC).date().isoformat(), 0, 0, 0, 3)


async def test_nobody_yet_is_a_bucket_of_zeros(scene: Scene) -> None:
    today = datetime.now(UTC).date().isoformat()

    answer = await scene.ask("GetSignupStats")

    assert (counts(answer), answer["as_of"]) == ([(today, 0, 0, 0, 0)], (None, None))


async def test_more_than_a_thousand_buckets_are_refused_or_cut(scene: Scene) -> None:
    await scene.project(
        domain_event(created("old").envelope.model_copy(update={"time": datetime(1990, 1, 1, tzinfo=UTC)}))
    )

    assert (await scene.ask("GetSignupStats", **{"from": "2000-01-01"}))["code"] == "invalid_message"
    cut = counts(await scene.ask("GetSignupStats", to="2020-01-01"))
    assert (len(cut), cut[0], cut[-1]) == (1000, ("2017-04-07", 0, 0, 0, 1), ("2020-01-01", 0, 0, 0, 1))


async def test_duplicates_gaps_and_disorder_are_counted_once(collections: Collections) -> None:
    scene = Scene(collections, FakeEventLog(STORY))
    await scene.project(STORY[4], STORY[1], STORY[0])
    await scene.project(*reversed(STORY), *STORY)

    assert counts(await scene.ask("GetSignupStats", to="2026-02-02")) == DAYS
    await scene.models.close()


async def test_the_answer_shows_what_its_asker_wrote(scene: Scene) -> None:
    asked = asyncio.create_task(scene.ask("GetSignupStats", seen("user/alice@3,user/carol@1", 5), to="2026-02-02"))
    await asyncio.sleep(0.05)
    await scene.project(*STORY)

    assert counts(await asked) == DAYS
    assert (await scene.ask("GetSignupStats", seen("user/alice@4", 0.02)))["code"] == "stale_read"


async def test_it_reads_days_and_no_users(scene: Scene) -> None:
    days = scene.collections.details("signup_stats")()
    await days.bulk_write([InsertOne({"_id": FIRST + timedelta(days=n), "signups": 1}) for n in range(100)])

    for body, count in (({"to": "2026-02-08"}, 9), ({"bucket": "month", "to": "2026-02-08"}, 29), ({}, 100)):
        explained = await days.find(**days_request(GetSignupStats.model_validate(body))).explain()
        assert not {"SORT", "COLLSCAN"} & stages_of(explained["queryPlanner"]["winningPlan"])
        assert explained["executionStats"]["totalKeysExamined"] <= count + 1


# However events are delivered


@st.composite
def histories(draw: st.DrawFn) -> list[DomainEvent]:
    """Some users' events, each user's in order."""
    events: list[DomainEvent] = []
    for number in range(draw(st.integers(1, 6))):
        user = f"u{number}"
        days = sorted(draw(st.lists(st.integers(0, 4), min_size=1, max_size=5)))
        events.append(on(days[0], created(user)))
        for version, day in enumerate(days[1:], start=2):
            kind = draw(st.sampled_from(["toggle", "rename"]))
            active = sum(each.type == "UserReactivated" for each in events if each.aggregate_id == user) >= sum(
                each.type == "UserDeactivated" for each in events if each.aggregate_id == user
            )
            toggled = deactivated(user, version) if active else reactivated(user, version)
            events.append(on(day, toggled if kind == "toggle" else renamed(user, version, "X")))
    return events


def counted_apart(events: Sequence[DomainEvent]) -> dict[date, tuple[int, int, int, int]]:
    """An independent count: day → sign-ups, deactivations, reactivations, active at its end."""
    counted: dict[date, tuple[int, int, int, int]] = {}
    kinds = Counter[str]()
    for day, happened in groupby(sorted(events, key=lambda each: each.time), key=lambda each: each.time.date()):
        today = Counter(each.type for each in happened)
        kinds += today
        signups, off, again = (today[name] for name in ("UserCreated", "UserDeactivated", "UserReactivated"))
        active = kinds["UserCreated"] - kinds["UserDeactivated"] + kinds["UserReactivated"]
        counted[day] = (signups, off, again, active)
    return counted


class DiedError(Exception):
    """Stands for a process that ends there."""


class Deliveries:
    """Two projectors of the same model who get the same events again and again, and die in between."""

    def __init__(self, collections: Collections, events: Sequence[DomainEvent], chance: random.Random) -> None:
        self.collections = collections
        self.events = events
        self.chance = chance
        parking = Parking(collections.parked, SIGNUP_STATS.name, SIGNUP_STATS.aggregate_type)
        source = collections.source(SIGNUP_STATS.name)
        target = OneTarget(source, parking)
        self.projectors = [FoldedProjection(SIGNUP_STATS, target, FakeEventLog(events)) for _ in range(2)]

    async def deliver(self) -> None:
        """To both at once, in any order, in batches of which some are cut off; in the end, all once more."""
        with patch("services.query.projector.details.write", self._write_or_die):
            await asyncio.gather(*(self._deliver_some(projector) for projector in self.projectors))
        await self._apply(self.projectors[0], self.events)

    async def _write_or_die(self, *args: Any) -> Written:
        """Before or after a write of the transaction."""
        if self.chance.random() < 0.1:
            raise DiedError
        written = await write(*args)
        if self.chance.random() < 0.1:
            raise DiedError
        return written

    async def _deliver_some(self, projector: FoldedProjection) -> None:
        stream = [*self.events, *self.chance.choices(self.events, k=4)]
        self.chance.shuffle(stream)
        while stream:
            size = self.chance.randint(1, 6)
            batch, stream = stream[:size], stream[size:]
            with suppress(DiedError):
                await self._apply(projector, batch)

    async def _apply(self, projector: FoldedProjection, batch: Sequence[DomainEvent]) -> None:
        while True:
            try:
                await projector.apply(batch)
            except ContendedError:
                await asyncio.sleep(self.chance.random() * 0.005)
            else:
                return

    async def days(self) -> list[Document]:
        return await self.collections.details(SIGNUP_STATS.name)().find().sort("_id").to_list()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=histories(), seed=st.integers(0, 2**32))
async def test_any_delivery_equals_an_independent_count(
    mongo: AsyncMongoClient[Document], events: list[DomainEvent], seed: int
) -> None:
    database = mongo[f"test_query_{uuid4().hex}"]
    try:
        await ensure_indexes(Collections(database))
        deliveries = Deliveries(Collections(database), events, random.Random(seed))
        await deliveries.deliver()

        active = 0
        shown: dict[date, tuple[int, int, int, int]] = {}
        for day in await deliveries.days():
            active += day.get("active", 0)
            amounts = [day.get(name, 0) for name in ("signups", "deactivations", "reactivations")]
            shown[day["_id"].date()] = (amounts[0], amounts[1], amounts[2], active)
        expected = counted_apart(events)
        assert shown == {day: count for day, count in expected.items() if day in shown}
        assert all(not any(count[:3]) for day, count in expected.items() if day not in shown)
    finally:
        await mongo.drop_database(database.name)
