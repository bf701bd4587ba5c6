"""When a lane begins its batches. What it writes, and how it falls behind: tests/integration/query/test_feed.py."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from services.query.domain_event import DomainEvent
from services.query.metrics import QueryMetrics
from services.query.projector.behind_mark import BehindMark
from services.query.projector.chunk import Chunk
from services.query.projector.lane import Lane
from services.query.projector.log_reader import LogReader
from services.query.projector.projection import Tally
from services.query.projector.turns import Turns
from shared.messaging.envelope import Delivery
from tests.unit.query.fake_log_reader import FakeLogReader
from tests.unit.query.given_events import created, delivery

MANY = [f"u{number}" for number in range(60)]
"""At once: so many that more are to be expected."""
SHORT, FOR_EVER = 0.2, 60.0


class Batches:
    """A projection that notes when a batch began, and of how many events it was."""

    name = "users"

    def __init__(self) -> None:
        self.begun: list[tuple[float, int]] = []

    async def apply(self, events: Sequence[DomainEvent]) -> Tally:
        self.begun.append((time.monotonic(), len(events)))
        return Tally()


class NothingBehind:
    is_put = False

    def of_others(self) -> Mapping[str, int]:
        return {}


class Scene:
    def __init__(self, linger: float, max_batch: int, turns: Turns | None) -> None:
        self.batches = Batches()
        self.answered: list[Delivery] = []
        self.lane = Lane(
            self.batches,  # type: ignore[arg-type]
            "user",
            lambda: cast(BehindMark, NothingBehind()),
            cast(LogReader, FakeLogReader([])),
            lambda: False,
            QueryMetrics(),
            is_current=lambda _: True,
            answer=self._answer,
            max_batch=max_batch,
            linger=linger,
            turns=turns,
        )

    async def _answer(self, _: Lane, markers: Sequence[Delivery]) -> None:
        self.answered += markers

    def offer(self, *user_ids: str, marker: bool = False) -> None:
        events = [created(user_id) for user_id in user_ids]
        asked = [delivery({}, type="marker")] if marker else []
        receipts = [each.receipt() for each in [*(delivery({}, type="UserCreated") for _ in events), *asked]]
        chunk = Chunk(
            receipts,
            {"user": events} if events else {},
            {"users": asked} if marker else {},
            [],
            Counter(),
            lambda _: None,
        )
        self.lane.offer(chunk)

    async def begun(self, batches: int) -> None:
        async with asyncio.timeout(5):
            while len(self.batches.begun) < batches:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(linger: float, max_batch: int = 100, turns: Turns | None = None) -> AsyncIterator[Scene]:
    scene = Scene(linger, max_batch, turns)
    working = asyncio.create_task(scene.lane.run())
    scene.lane.begin()
    try:
        yield scene
    finally:
        scene.lane.end()
        await asyncio.wait_for(working, 5)


async def test_what_comes_soon_after_a_batch_gathers_for_the_next_one() -> None:
    async with running(SHORT) as scene:
        scene.offer(*MANY)
        await scene.begun(1)
        for user_id in "bcd":
            scene.offer(user_id)
            await asyncio.sleep(0)
        await scene.begun(2)

        (first, _), (second, together) = scene.batches.begun
        assert together == 3
        assert second - first >= SHORT


async def test_what_comes_after_a_pause_waits_for_nothing() -> None:
    """As the first does of all."""
    async with running(FOR_EVER) as scene:
        scene.offer(*MANY)
        await scene.begun(1)


async def test_nobody_who_asks_waits_for_others_to_come() -> None:
    async with running(FOR_EVER) as scene:
        scene.offer(*MANY)
        await scene.begun(1)
        scene.offer("b", marker=True)
        await scene.begun(2)
    assert len(scene.answered) == 1


async def test_a_full_batch_waits_for_nothing() -> None:
    async with running(FOR_EVER, max_batch=3) as scene:
        scene.offer(*MANY)
        await scene.begun(1)
        scene.offer("b", "c", "d")
        await scene.begun(2)


async def test_at_the_end_nothing_waits() -> None:
    async with running(FOR_EVER) as scene:
        scene.offer(*MANY)
        await scene.begun(1)
        scene.offer("b")
    assert len(scene.batches.begun) == 2


async def test_while_little_comes_it_hardly_waits() -> None:
    async with running(SHORT) as scene:
        scene.offer("a")
        await scene.begun(1)
        scene.offer("b")
        await scene.begun(2)

        (first, _), (second, _) = scene.batches.begun
        assert second - first < SHORT / 2


async def test_while_another_one_writes_it_waits_for_its_turn() -> None:
    turns = Turns(FOR_EVER)
    async with running(0.0, turns=turns) as scene:
        async with turns.taken():
            scene.offer("a")
            await asyncio.sleep(SHORT)
            assert scene.batches.begun == []
            scene.offer("b")
        await scene.begun(1)
    assert [together for _, together in scene.batches.begun] == [2]


async def test_it_does_not_wait_long_for_one_that_is_held_up() -> None:
    turns = Turns(SHORT)
    async with turns.taken(), running(0.0, turns=turns) as scene:
        scene.offer("a")
        await scene.begun(1)


async def test_neither_who_asks_nor_a_full_batch_waits_for_a_turn() -> None:
    turns = Turns(FOR_EVER)
    async with turns.taken(), running(0.0, max_batch=3, turns=turns) as scene:
        scene.offer("a", marker=True)
        await scene.begun(1)
        scene.offer("b", "c", "d")
        await scene.begun(2)
    assert len(scene.answered) == 1


async def test_a_turn_is_given_back_when_a_write_is_broken_off() -> None:
    turns = Turns(FOR_EVER)
    with suppress(ValueError):
        async with turns.taken():
            raise ValueError
    async with asyncio.timeout(5), turns.taken():
        pass
