"""How arrivals become batches."""

import asyncio

from services.command.bootstrap import command_bus
from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.gathering import Gathering
from services.command.pipeline.reception import receive_command
from tests.unit.command.deliveries import delivery


def some(count: int) -> list[Arrival]:
    return [receive_command(command_bus(), delivery()) for _ in range(count)]


async def test_what_has_come_meanwhile_goes_together_up_to_the_batch_size() -> None:
    gathering = Gathering(5)
    first, second = some(3), some(4)
    await gathering.put(first)
    await gathering.put(second)
    assert await gathering.take() == [*first, *second][:5]
    assert await gathering.take() == second[2:]


async def test_reading_waits_while_there_is_a_full_batch() -> None:
    gathering = Gathering(2)
    await gathering.put(some(2))
    putting = asyncio.create_task(gathering.put(some(1)))
    await asyncio.sleep(0.01)
    assert not putting.done()
    assert len(await gathering.take()) == 2
    await asyncio.wait_for(putting, 1)


async def test_an_empty_batch_says_that_no_more_will_come() -> None:
    gathering = Gathering(2)
    taking = asyncio.create_task(gathering.take())
    await gathering.put(some(1))
    assert len(await taking) == 1
    await gathering.close()
    assert await gathering.take() == []
