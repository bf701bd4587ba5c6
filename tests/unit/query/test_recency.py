import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.query.freshness.demand import ANY_STATE, Demand
from services.query.freshness.recency import Recency
from shared.contracts.answer import ErrorCode, Failed
from shared.messaging.backoff import Backoff
from shared.messaging.rpc_client import RpcTimeoutError

FRESH_NOW = Demand(max_staleness=0.0, max_wait=2.0)


class Scene:
    """A queue whose markers are answered while `answered` is set, and aggregates that are parked."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.answered.set()
        self.gone = False
        self.sent = 0
        self.parked: dict[str, datetime] = {}
        self.paused = False
        backoff = Backoff(first=0.001, longest=0.01)
        self.recency = Recency("users", self.mark, self.parked_since, lambda: self.paused, backoff=backoff)

    async def mark(self) -> None:
        self.sent += 1
        if self.gone:
            raise RpcTimeoutError("no answer")
        await self.answered.wait()

    async def parked_since(self, aggregate_id: str | None) -> datetime | None:
        if aggregate_id is not None:
            return self.parked.get(aggregate_id)
        return min(self.parked.values(), default=None)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.recency.close()


async def code(scene: Scene, demand: Demand, aggregate_id: str | None = None) -> str | None:
    stale = await scene.recency.wait(demand, aggregate_id)
    assert stale is None or isinstance(stale, Failed)
    assert stale is None or stale.error.retryable
    return None if stale is None else stale.error.code


async def test_a_demand_for_now_waits_for_a_marker_that_was_sent_after_it(scene: Scene) -> None:
    before = datetime.now(UTC)

    assert await code(scene, FRESH_NOW) is None

    known = await scene.recency.complete_until()
    assert known is not None
    assert before <= known <= datetime.now(UTC)


async def test_without_a_demand_nothing_is_waited_for_and_nothing_sent(scene: Scene) -> None:
    scene.answered.clear()

    assert await code(scene, ANY_STATE) is None

    assert scene.sent == 0


async def test_a_model_that_is_paused_is_behind_and_no_markers_gather_in_its_queue(scene: Scene) -> None:
    scene.paused = True

    stale = await scene.recency.wait(Demand(max_staleness=0.0, max_wait=0.05))

    assert isinstance(stale, Failed)
    assert (stale.error.code, "is paused" in stale.error.message) == ("stale_read", True)
    assert scene.sent == 0
    scene.paused = False
    assert await code(scene, FRESH_NOW) is None


async def test_nothing_is_known_until_a_marker_has_passed(scene: Scene) -> None:
    scene.answered.clear()
    assert await scene.recency.complete_until() is None

    scene.answered.set()
    await code(scene, FRESH_NOW)

    assert await scene.recency.complete_until() is not None


async def test_a_read_model_that_is_stuck_is_stale_for_who_wants_it_fresh(scene: Scene) -> None:
    await code(scene, FRESH_NOW)
    scene.answered.clear()
    await asyncio.sleep(0.05)

    assert await code(scene, Demand(max_staleness=0.01, max_wait=0.05)) == ErrorCode.STALE_READ
    assert await code(scene, Demand(max_staleness=0.01, max_wait=0.0)) == ErrorCode.STALE_READ
    assert await code(scene, Demand(max_staleness=60.0, max_wait=0.0)) is None


async def test_how_far_it_is_known_to_be_stands_still_while_it_is_stuck(scene: Scene) -> None:
    await code(scene, FRESH_NOW)
    known = await scene.recency.complete_until()
    scene.answered.clear()
    await code(scene, Demand(max_staleness=0.0, max_wait=0.02))

    assert await scene.recency.complete_until() == known


async def test_a_broker_that_is_away_is_asked_again_until_it_is_back(scene: Scene) -> None:
    scene.gone = True
    assert await code(scene, Demand(max_staleness=0.0, max_wait=0.05)) == ErrorCode.STALE_READ
    assert scene.sent > 1

    scene.gone = False

    assert await code(scene, FRESH_NOW) is None


async def test_many_askers_share_markers(scene: Scene) -> None:
    stale = await asyncio.gather(*(code(scene, FRESH_NOW) for _ in range(100)))

    assert set(stale) == {None}
    assert scene.sent <= 2


async def test_what_was_just_shown_is_not_asked_for_again(scene: Scene) -> None:
    await code(scene, FRESH_NOW)

    for _ in range(10):
        assert await code(scene, Demand(max_staleness=5.0)) is None
        await scene.recency.complete_until()

    assert scene.sent == 1


async def test_a_parked_aggregate_holds_back_its_own_answers_and_those_about_all(scene: Scene) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    scene.parked["alice"] = long_ago

    assert await code(scene, FRESH_NOW, "alice") == ErrorCode.STALE_READ
    assert await code(scene, FRESH_NOW) == ErrorCode.STALE_READ
    assert await code(scene, FRESH_NOW, "bob") is None
    assert await code(scene, Demand(max_staleness=600.0), "alice") is None
    assert await scene.recency.complete_until("alice") == long_ago
    assert await scene.recency.complete_until() == long_ago
    assert (await scene.recency.complete_until("bob") or long_ago) > long_ago
