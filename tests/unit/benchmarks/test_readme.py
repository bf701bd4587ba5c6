import json
from typing import Any

import pytest

from deploy.native.layout import ROOT
from tests.benchmarks.readme import BEGIN, END, section, with_section

RESULTS: dict[str, Any] = {
    "time": "2026-01-02T03:04:05+00:00",
    "command": "make bench ROUNDS=5",
    "revision": "abc1234",
    "machine": {"cpu": "A Processor", "cores": 2, "memory_gb": 25, "python": "3.11.2"},
    "notes": ["naive fell behind", "naive fell behind"],
    "figures": {
        "drain_creates_vs_naive": {"median": 43.91, "least": 37.0, "most": 47.0},
        "rpc_serial_p99_vs_echo": {"median": 1.404, "least": 1.2, "most": 1.5},
    },
    "samples": {"drain_creates.ours.rate": [4000.0, None, 5000.0, 4500.0], "drain_creates.naive.rate": [93.2]},
}


def test_a_figure_stands_there_with_its_median_its_spread_and_its_targets() -> None:
    text = section(RESULTS)

    assert "| drain of creates, ours ÷ naive | **43.9** (37.0–47.0) | ≥ 25 | ≥ 45 |" in text
    assert "| GetUserById serial, p99 ÷ bare echo | **1.40** (1.20–1.50) | ≤ 1.6 | ≤ 1.2 |" in text


def test_a_figure_that_falls_short_says_so() -> None:
    figures = {"drain_1m_users_vs_10k": {"median": 0.83, "least": 0.75, "most": 0.98}}

    assert "| **0.83** (0.75–0.98), missed | ≥ 0.85 | ≥ 1 |" in section({**RESULTS, "figures": figures})


def test_what_lies_behind_a_ratio_is_the_median_of_what_was_measured_and_says_when_some_of_it_did_not_count() -> None:
    assert "| drain of creates, commands/s | ours 4,500 (3 of 4 counted), naive 93.2 |" in section(RESULTS)


def test_memory_is_told_by_how_much_it_grows_in_a_round() -> None:
    samples = {"memory.small.query_mb": [90.0, 95.0, 96.0], "memory.large.query_mb": [105.0, 99.0, 106.0]}

    assert "(10 are allowed) | query 10.0 (4.00–15.0) |" in section({**RESULTS, "samples": samples})


def test_machine_command_date_and_revision_are_told() -> None:
    first = section(RESULTS).splitlines()[0]

    for told in ("make bench ROUNDS=5", "2026-01-02", "abc1234", "2 cores (A Processor)", "25 GB", "Python 3.11.2"):
        assert told in first


def test_a_note_is_told_once() -> None:
    assert section(RESULTS).count("naive fell behind") == 1


def test_only_what_is_between_the_marks_is_replaced() -> None:
    assert with_section(f"before\n{BEGIN}old\n{END}after\n", "new\n") == f"before\n{BEGIN}new\n{END}after\n"


def test_a_readme_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the figures"):
        with_section("nothing", "new\n")


def test_the_readme_says_what_the_kept_run_measured() -> None:
    results = json.loads((ROOT / "tests/benchmarks/results/results.json").read_text())
    readme = (ROOT / "README.md").read_text()

    assert with_section(readme, section(results)) == readme
