"""Expected values written by hand."""

import pytest

from tests.benchmarks.percentiles import Spread, percentile, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3.0, 3.0, 3.0)),
        ([5.0, 1.0, 3.0], Spread(3.0, 1.0, 5.0)),
        ([4.0, 1.0, 3.0, 10.0], Spread(3.5, 1.0, 10.0)),
    ],
)
def test_the_median_lies_in_the_middle_whatever_the_order(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 1.0), (1, 1.0), (50, 50.0), (50.5, 51.0), (99, 99.0), (99.9, 100.0), (100, 100.0)],
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_one_slow_answer_in_a_thousand_shows_in_p999_and_not_in_p99() -> None:
    values = [1.0] * 998 + [500.0, 600.0]
    assert percentile(values, 99) == 1.0
    assert percentile(values, 99.9) == 500.0


@pytest.mark.parametrize("count", [spread, lambda values: percentile(values, 50)])
def test_nothing_has_no_median(count: object) -> None:
    assert callable(count)
    with pytest.raises(ValueError, match="no values"):
        count([])
