from collections.abc import Mapping
from random import Random
from types import MappingProxyType

import pytest

from tests.chaos.growth import Growth, Sample

NONE: Mapping[str, float] = MappingProxyType({})


def growth(*lives: list[Sample]) -> Growth:
    found = Growth()
    for born, life in enumerate(lives):
        found.lives["command-1"][float(born)] += life
    return found


def life(seconds: int, leaks: Mapping[str, float] = NONE, *, seed: int = 1) -> list[Sample]:
    """Samples every 15 s, noisy; `leaks` is growth per hour, by figure."""
    noise = {"memory": 2e6, "blocks": 10e3, "descriptors": 3.0, "tasks": 5.0}
    rngs = {figure: Random(f"{seed} {figure}") for figure in noise}
    return [
        Sample(
            at,
            {
                figure: 20 * width + leaks.get(figure, 0.0) * at / 3600 + round(rngs[figure].uniform(-width, width))
                for figure, width in noise.items()
            },
        )
        for at in range(0, seconds, 15)
    ]


def test_noise_is_no_growth() -> None:
    for seed in range(20):
        assert growth(life(1800, seed=seed)).violations() == []


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        ({"memory": 25e6}, "memory"),
        ({"blocks": 60e3}, "blocks"),
        ({"descriptors": 15.0}, "descriptors"),
        ({"tasks": 30.0}, "tasks"),
    ],
)
def test_a_leak_is_named(leak: dict[str, float], named: str) -> None:
    (violation,) = growth(life(1800, leak)).violations()
    assert violation.promise == "memory, objects, descriptors and tasks do not grow"
    assert [shown.split()[:2] for shown in violation.shown_by] == [["command-1:", named]]


def test_a_leak_is_seen_in_the_long_lives_among_many_short_ones() -> None:
    short = [life(300, seed=n) for n in range(16)]
    assert growth(*short, life(900, {"memory": 60e6})).violations()
    assert not growth(*short, life(900)).violations()


def test_those_that_stand_by_and_take_over_in_short_lives_are_not_growing() -> None:
    """Ten lives of seven minutes; in each the size is reached in some steps, once there is work to do."""
    steps = {150: 5e6, 200: 3e6, 260: 1e6, 320: 5e5, 370: 2e5}
    lives = [
        [
            Sample(each.at, {**each.figures, "memory": 70e6 + sum(by for at, by in steps.items() if each.at >= at)})
            for each in life(420, seed=n)
        ]
        for n in range(10)
    ]
    assert growth(*lives).violations() == []


@pytest.mark.parametrize("at", [300, 900, 1500])
def test_a_step_is_no_growth(at: int) -> None:
    stepped = [
        Sample(each.at, {name: value * (1.2 if each.at >= at else 1) for name, value in each.figures.items()})
        for each in life(1800)
    ]
    assert growth(stepped).violations() == []
    assert growth(*(stepped for _ in range(4))).violations() == []


def stairs(steps: Mapping[int, float]) -> list[Sample]:
    """Memory as it is seen: level, but for steps at those seconds."""
    return [
        Sample(each.at, {**each.figures, "memory": 9e7 + sum(by for at, by in steps.items() if each.at >= at)})
        for each in life(1800)
    ]


def test_ever_larger_bursts_are_no_growth() -> None:
    assert growth(stairs({400: 2.2e6, 730: 4e5, 950: 3.4e6, 1400: 1.1e6})).violations() == []


def test_a_leak_that_python_takes_a_megabyte_at_a_time_for_is_growth() -> None:
    (violation,) = growth(stairs(dict.fromkeys(range(150, 1800, 175), 2**20))).violations()  # 21 MB an hour
    assert violation.shown_by[0].startswith("command-1: memory")


def test_what_a_process_takes_to_warm_up_is_no_growth() -> None:
    cold = [
        Sample(at, {"memory": 20e6 + at * 5e5, "blocks": at * 1e3, "descriptors": at / 4, "tasks": at / 2})
        for at in range(0, 120, 15)
    ]
    warm = [sample for sample in life(1800) if sample.at >= 120]
    assert growth(cold + warm).violations() == []


def test_a_short_run_says_nothing_of_growth() -> None:
    assert growth(life(300, {"memory": 1e9})).violations() == []
    _, line, judged = growth(life(300, {"memory": 1e9})).table()
    assert "–, –, –, –" in line
    assert judged == "judged, for they lived 10 minutes: 0 of command, 0 of query"


def test_the_table_tells_a_step_from_a_slope() -> None:
    step = [
        Sample(at, {"memory": 9e7 if at < 900 else 1e8, "blocks": 5e5, "descriptors": 20.0, "tasks": 43.0})
        for at in range(120, 1800, 15)
    ]

    _, line, judged = growth(step).table()

    assert "90.0 90.0 100.0 100.0" in line
    assert "20 20 20 20" in line
    assert judged == "judged, for they lived 10 minutes: 1 of command, 0 of query"
