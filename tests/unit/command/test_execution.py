"""Whose fault a failed batch is, and what is done about it."""

import asyncio
from collections.abc import Sequence

import pytest
from asyncpg import UniqueViolationError
from sqlalchemy.exc import IntegrityError

from services.command.bootstrap import command_bus
from services.command.metrics import CommandMetrics
from services.command.pipeline.arrivals import Arrival, Unprocessable
from services.command.pipeline.execution import MAX_ATTEMPTS, MAX_TIMES_LATE, Execution
from services.command.pipeline.reception import receive_command
from services.command.pipeline.transaction import Committed
from services.command.postgres.outage import Outage
from shared.messaging.backoff import Backoff
from tests.unit.command.deliveries import delivery

BUS = command_bus()


class Store:
    """A transaction that fails for the messages and the number of times it is told to."""

    def __init__(self) -> None:
        self.committed: list[Sequence[Arrival]] = []
        self.runs = 0
        self.failing: dict[str, int] = {}
        self.away = 0
        self.late = 0

    async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
        self.runs += 1
        if self.away:
            self.away -= 1
            raise ConnectionRefusedError
        if self.late:
            self.late -= 1
            raise IntegrityError("INSERT", {}, UniqueViolationError())
        for arrival in arrivals:
            key = arrival.delivery.routing_key
            if not isinstance(arrival, Unprocessable) and self.failing.get(key, 0) > 0:
                if len(arrivals) == 1:
                    self.failing[key] -= 1
                raise ZeroDivisionError("a bug with a secret value")
        self.committed.append(arrivals)
        return Committed([arrival.delivery for arrival in arrivals], [], [], [])


class Harness:
    def __init__(self) -> None:
        self.store = Store()
        self.stopping = asyncio.Event()
        self.gone: set[str] = set()
        self.outage = Outage("test", self.stopping, Backoff(first=0.001, longest=0.002))
        self.execution = Execution(
            self.store,
            self.outage,
            is_current=lambda delivery: delivery.routing_key not in self.gone,
            stopping=self.stopping,
            metrics=CommandMetrics(),
        )

    async def run(self, *keys: str) -> list[str]:
        arrivals = [receive_command(BUS, delivery(routing_key=key)) for key in keys]
        return [done.routing_key async for committed in self.execution.run(arrivals) for done in committed.deliveries]


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def test_a_batch_is_one_transaction(harness: Harness) -> None:
    assert await harness.run("a", "b", "c") == ["a", "b", "c"]
    assert harness.store.runs == 1


async def test_one_bad_command_takes_no_other_with_it_and_becomes_a_dead_letter(harness: Harness) -> None:
    keys = [str(number) for number in range(100)]
    harness.store.failing["37"] = 10**9
    assert await harness.run(*keys) == keys
    buried = [a for arrivals in harness.store.committed for a in arrivals if isinstance(a, Unprocessable)]
    assert [(a.delivery.routing_key, a.letter.reason, a.letter.attempts) for a in buried] == [
        ("37", "handler_failed", MAX_ATTEMPTS)
    ]
    assert buried[0].rejected is None
    assert "secret" not in buried[0].letter.detail
    assert harness.store.runs < 25


async def test_a_command_that_works_at_the_next_attempt_is_applied(harness: Harness) -> None:
    harness.store.failing["b"] = MAX_ATTEMPTS - 1
    assert await harness.run("a", "b", "c") == ["a", "b", "c"]
    assert not any(isinstance(a, Unprocessable) for arrivals in harness.store.committed for a in arrivals)


async def test_a_batch_that_was_late_runs_again_as_it_is(harness: Harness) -> None:
    harness.store.late = 1
    assert await harness.run("a", "b", "c") == ["a", "b", "c"]
    assert [len(arrivals) for arrivals in harness.store.committed] == [3]
    assert harness.store.runs == 2


async def test_a_batch_that_is_late_again_is_halved(harness: Harness) -> None:
    harness.store.late = 2
    assert await harness.run("a", "b", "c") == ["a", "b", "c"]
    assert [len(arrivals) for arrivals in harness.store.committed] == [1, 2]


async def test_a_command_that_others_overtake_again_and_again_is_applied(harness: Harness) -> None:
    harness.store.late = MAX_TIMES_LATE - 1
    assert await harness.run("a") == ["a"]
    assert not any(isinstance(a, Unprocessable) for arrivals in harness.store.committed for a in arrivals)


async def test_a_command_that_can_never_be_written_becomes_a_dead_letter(harness: Harness) -> None:
    harness.store.late = MAX_TIMES_LATE
    assert await harness.run("a") == ["a"]
    ((buried,),) = harness.store.committed
    assert isinstance(buried, Unprocessable)
    assert buried.letter.attempts == MAX_TIMES_LATE


async def test_while_the_store_is_away_the_batch_waits_and_nothing_is_buried(harness: Harness) -> None:
    harness.store.away = MAX_ATTEMPTS * 3
    running = asyncio.create_task(harness.run("a", "b"))
    while harness.store.runs < 2:
        await asyncio.sleep(0)
    assert harness.outage.trouble == "PostgreSQL: ConnectionRefusedError"
    assert await running == ["a", "b"]
    assert harness.outage.trouble is None
    assert harness.store.runs == MAX_ATTEMPTS * 3 + 1


async def test_what_will_be_delivered_again_is_not_worked_on(harness: Harness) -> None:
    harness.store.away = 1
    harness.gone = {"a"}
    assert await harness.run("a", "b") == ["b"]
    harness.gone = {"a", "b"}
    assert await harness.run("a", "b") == []


async def test_whose_work_went_to_another_while_the_store_was_away_has_no_trouble_any_more(harness: Harness) -> None:
    harness.store.away = 10**9
    running = asyncio.create_task(harness.run("a", "b"))
    while harness.outage.trouble is None:
        await asyncio.sleep(0)
    harness.gone = {"a", "b"}
    assert await running == []
    assert harness.outage.trouble is None


async def test_stopping_while_the_store_is_away_drops_the_batch(harness: Harness) -> None:
    harness.store.away = 10**9
    harness.stopping.set()
    assert await harness.run("a", "b") == []


async def test_a_dead_letter_that_cannot_be_written_ends_the_service(harness: Harness) -> None:
    class Broken(Store):
        async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
            raise ZeroDivisionError

    harness.execution._transaction = Broken()
    with pytest.raises(ZeroDivisionError):
        await harness.run("a")
