from tests.benchmarks.__main__ import SECTIONS
from tests.benchmarks.duration import SECONDS, expected_seconds, in_words, left_seconds
from tests.benchmarks.scale import Scale

EVERYTHING = list(SECTIONS)


def test_every_section_has_an_estimate() -> None:
    assert set(SECONDS) == set(SECTIONS)


def test_a_run_of_everything_takes_no_more_than_75_minutes() -> None:
    assert 20 * 60 < expected_seconds(EVERYTHING, Scale(), range(5)) < 75 * 60


def test_what_is_made_once_is_counted_once() -> None:
    first = expected_seconds(["growth"], Scale(), range(1))
    assert expected_seconds(["growth"], Scale(), range(2)) < 1.5 * first


def test_loads_that_two_sections_share_are_counted_once() -> None:
    assert expected_seconds(["latency", "cpu"], Scale(), range(1)) == expected_seconds(["latency"], Scale(), range(1))


def test_a_run_that_is_slower_than_expected_says_so_for_what_is_left() -> None:
    expected = expected_seconds(EVERYTHING, Scale(), range(2))
    left = left_seconds(EVERYTHING, Scale(), done=2, rounds=5, took=2 * expected)
    assert left == 2 * expected_seconds(EVERYTHING, Scale(), range(2, 5))


def test_a_duration_is_told_in_minutes() -> None:
    assert in_words(50) == "about a minute"
    assert in_words(44.4 * 60) == "about 44 minutes"
