import pytest

from services.query.generation_guard import GenerationGuard
from tests.unit.query.fake_generations import FakeGenerations


@pytest.fixture
def generations() -> FakeGenerations:
    return FakeGenerations()


async def read_around(generations: FakeGenerations, *, stopped_in: int, switched: bool) -> list[int]:
    """The generations that were read one after the other; this process was stopped during the reading `stopped_in`."""
    read: list[int] = []

    async def reading() -> int:
        read.append(generations.all_live.get("users", 1))
        if len(read) == stopped_in:
            generations.is_fresh = False
            if switched:
                generations.catalogue["users"] = 2
        return read[-1]

    assert await GenerationGuard(generations).read(reading) == read[-1]
    return read


async def test_what_is_read_from_a_live_generation_is_read_once(generations: FakeGenerations) -> None:
    assert await read_around(generations, stopped_in=0, switched=False) == [1]


async def test_what_was_read_from_a_generation_that_had_had_its_day_is_read_again(generations: FakeGenerations) -> None:
    assert await read_around(generations, stopped_in=1, switched=True) == [1, 2]


async def test_a_process_that_was_stopped_before_it_reads_looks_first(generations: FakeGenerations) -> None:
    generations.is_fresh, generations.catalogue = False, {"users": 2}

    assert await read_around(generations, stopped_in=0, switched=False) == [2]


async def test_a_reading_that_takes_longer_than_the_catalogue_is_gone_by_is_read_once(
    generations: FakeGenerations,
) -> None:
    """A question may wait for 30 s until what its asker knows of is there."""
    assert await read_around(generations, stopped_in=1, switched=False) == [1]


async def test_a_model_that_the_catalogue_names_only_now_was_in_its_first_generation(
    generations: FakeGenerations,
) -> None:
    generations.all_live = {}

    assert await read_around(generations, stopped_in=1, switched=False) == [1]
