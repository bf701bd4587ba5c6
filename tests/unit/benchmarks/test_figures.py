"""From samples to `NAME VALUE`, with values written by hand."""

import math

import pytest

from tests.benchmarks.figures import FIGURES, lines, measured, ratio, shown, to_best_of, unmeasured
from tests.benchmarks.report import as_json
from tests.benchmarks.scale import Scale

NAMES = [
    "drain_creates_vs_naive",
    "drain_creates_vs_faststream",
    "drain_creates_vs_celery",
    "drain_creates_vs_taskiq",
    "drain_updates_vs_naive",
    "drain_vs_cpu_bound",
    "rpc_serial_p50_vs_echo",
    "rpc_serial_p99_vs_echo",
    "rpc_64_rate_vs_echo",
    "rpc_64_rate_vs_best_peer",
    "visible_p99_200_vs_naive_100",
    "visible_p99_1000_vs_naive_100",
    "visible_p99_2000_vs_naive_100",
    "drain_200k_vs_20k",
    "drain_1m_users_vs_10k",
    "rss_command_mb",
    "rss_query_mb",
    "cpu_per_command_1000_vs_200",
]
SAMPLES = {
    "drain_creates.ours.rate": [3000.0, 5000.0, 4000.0],
    "drain_creates.naive.rate": [150.0, 200.0, 100.0],
    "drain_creates.faststream.rate": [100.0, 125.0, 100.0],
    "drain_creates.celery.rate": [200.0, 250.0, 160.0],
    "drain_creates.taskiq.rate": [150.0, 250.0, 160.0],
    "drain_updates.ours.rate": [1500.0],
    "drain_updates.naive.rate": [100.0],
    "drain.cpu_bound": [0.8, 0.75, 0.9],
    "rpc.ours.p50_ms": [1.2],
    "rpc.echo.p50_ms": [1.0],
    "rpc.ours.p99_ms": [3.0],
    "rpc.echo.p99_ms": [2.0],
    "rpc.ours.rate": [4000.0],
    "rpc.echo.rate": [1000.0],
    "rpc.nameko.rate": [400.0],
    "rpc.celery.rate": [500.0],
    "visible.ours.200.p99_ms": [20.0],
    "visible.ours.1000.p99_ms": [30.0],
    "visible.ours.2000.p99_ms": [60.0],
    "visible.naive.100.p99_ms": [40.0],
    "memory.small.rate": [4000.0],
    "memory.large.rate": [3800.0],
    "memory.large.command_mb": [95.5],
    "memory.large.query_mb": [102.0],
    "growth.few.rate": [4000.0],
    "growth.many.rate": [3600.0],
    "cpu.ours.1000.ms": [0.9],
    "cpu.ours.200.ms": [2.0],
}


def test_a_run_of_everything_ends_with_every_figure_in_the_order_of_the_table() -> None:
    assert lines(SAMPLES) == [
        "drain_creates_vs_naive 25.0",
        "drain_creates_vs_faststream 40.0",
        "drain_creates_vs_celery 20.0",
        "drain_creates_vs_taskiq 20.0",
        "drain_updates_vs_naive 15.0",
        "drain_vs_cpu_bound 0.80",
        "rpc_serial_p50_vs_echo 1.20",
        "rpc_serial_p99_vs_echo 1.50",
        "rpc_64_rate_vs_echo 4.00",
        "rpc_64_rate_vs_best_peer 8.00",
        "visible_p99_200_vs_naive_100 0.50",
        "visible_p99_1000_vs_naive_100 0.75",
        "visible_p99_2000_vs_naive_100 1.50",
        "drain_200k_vs_20k 0.95",
        "drain_1m_users_vs_10k 0.90",
        "rss_command_mb 95.5",
        "rss_query_mb 102",
        "cpu_per_command_1000_vs_200 0.45",
    ]


def test_the_names_are_those_that_were_agreed() -> None:
    assert [figure.name for figure in FIGURES] == NAMES


def test_what_was_not_measured_has_no_line() -> None:
    only = {name: values for name, values in SAMPLES.items() if name.startswith("rpc.")}
    assert [line.partition(" ")[0] for line in lines(only)] == [name for name in NAMES if name.startswith("rpc_")]


def test_a_figure_that_its_section_did_not_give_is_named() -> None:
    without = {name: values for name, values in SAMPLES.items() if name != "drain_creates.celery.rate"}
    assert unmeasured(SAMPLES, ["drain", "latency", "cpu", "rpc", "rebuild", "memory", "growth"]) == []
    assert unmeasured(without, ["drain", "rpc"]) == ["drain_creates_vs_celery"]
    assert unmeasured(without, ["rpc"]) == []
    assert unmeasured({}, ["cpu", "growth"]) == ["drain_1m_users_vs_10k", "cpu_per_command_1000_vs_200"]


def test_a_ratio_compares_within_a_round_and_not_medians() -> None:
    # Medians would say 10; the rounds, in which the machine was quick and slow for both, say 20.
    samples = {"ours": [2000.0, 200.0, 1000.0], "other": [100.0, 10.0, 50.0]}
    assert ratio("ours", "other")(samples) == [20.0, 20.0, 20.0]


def test_a_round_that_says_nothing_counts_for_no_figure_and_shifts_no_other() -> None:
    samples = {"ours": [10.0, 20.0, 30.0], "other": [10.0, math.nan, 10.0]}

    assert ratio("ours", "other")(samples) == [1.0, 3.0]
    written = as_json(samples, [], Scale(), "make bench")
    assert written["samples"]["other"] == [10.0, None, 10.0]


def test_the_best_peer_may_be_another_one_in_each_round_and_one_that_does_not_run_is_left_out() -> None:
    samples = {"ours": [100.0, 100.0], "a": [10.0, 50.0], "b": [20.0, 25.0]}
    assert to_best_of("ours", ["a", "b", "gone"])(samples) == [5.0, 2.0]
    assert to_best_of("ours", ["gone"])(samples) == []


def test_a_target_is_reached_from_the_right_side() -> None:
    by_name = {figure.name: figure for figure, _ in measured(SAMPLES)}
    assert by_name["drain_creates_vs_naive"].holds(25.0, 25.0)
    assert not by_name["drain_creates_vs_naive"].holds(24.9, 25.0)
    assert by_name["rss_query_mb"].holds(110.0, 110.0)
    assert not by_name["rss_query_mb"].holds(110.1, 110.0)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0345, "0.03"), (1.304, "1.30"), (31.44, "31.4"), (104.6, "105"), (12345.6, "12346")]
)
def test_a_figure_is_shown_with_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert shown(value) == text


def test_json_holds_figures_with_their_targets_and_every_sample() -> None:
    written = as_json(SAMPLES, ["a note"], Scale(), "make bench")
    assert written["figures"]["drain_creates_vs_naive"] == {
        "median": 25.0,
        "least": 20.0,
        "most": 40.0,
        "at_least": 25,
        "aim": 45,
    }
    assert written["samples"] == SAMPLES
    assert written["notes"] == ["a note"]
