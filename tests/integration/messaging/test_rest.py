"""A consumer that lets messages gather in the socket, which come one by one and often."""

import asyncio

import pytest

from shared.messaging.transport import FrameGuard
from tests.integration.messaging.stages import RabbitStage, message, numbers, take

MESSAGES = 1_000


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long nothing was read, each time."""
    noted: list[float] = []
    rest = FrameGuard.rest

    def noting(guard: FrameGuard, seconds: float) -> None:
        noted.append(seconds)
        rest(guard, seconds)

    monkeypatch.setattr(FrameGuard, "rest", noting)
    return noted


async def publish_one_by_one(rabbit: RabbitStage, first: int, count: int) -> None:
    async with rabbit.publisher() as publisher:
        for number in range(first, first + count):
            await publisher.publish([message(number)])


async def test_what_gathers_comes_whole_and_in_order(rabbit: RabbitStage, rests: list[float]) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.consumer(["q"], linger=0.04, rest=True) as consumer:
        publishing = asyncio.create_task(publish_one_by_one(rabbit, 0, MESSAGES))
        taken = await take(consumer, MESSAGES)
        await publishing

    assert numbers(taken) == list(range(MESSAGES))
    assert 0 < len(rests) < MESSAGES


async def test_a_connection_that_is_lost_meanwhile_is_made_again(rabbit: RabbitStage, rests: list[float]) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.consumer(["q"], linger=0.04, rest=True) as consumer:
        publishing = asyncio.create_task(publish_one_by_one(rabbit, 0, MESSAGES))
        first = await take(consumer, MESSAGES // 4)
        await publishing
        await rabbit.drop_connections()
        seen = set(numbers(first))
        while len(seen) < MESSAGES:  # an acknowledgement may be lost with the connection
            seen |= set(numbers(await take(consumer, 1)))

    assert rests


async def test_who_gets_little_reads_at_once(rabbit: RabbitStage, rests: list[float]) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.consumer(["q"], linger=0.04, rest=True) as consumer:
        await publish_one_by_one(rabbit, 0, 1)
        await take(consumer, 1)

    assert rests == []
