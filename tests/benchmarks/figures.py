"""The figures that a run ends with: how each follows from the samples, and what it should be. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.percentiles import Spread, spread

Samples = Mapping[str, Sequence[float]]
"""By name, one value for each round; NaN where what was measured says nothing."""


@dataclass(frozen=True)
class Figure:
    """`at_least` and `aim`: where less is better, at most. `values` gives one for each round, none if not measured.
    Any of the `sections` measures it.
    """

    name: str
    meaning: str
    at_least: float
    aim: float
    values: Callable[[Samples], list[float]]
    sections: tuple[str, ...]
    less_is_better: bool = False

    def holds(self, value: float, target: float) -> bool:
        return value <= target if self.less_is_better else value >= target


def ratio(one: str, other: str, factor: float = 1.0) -> Callable[[Samples], list[float]]:
    """Of two samples of the same round."""

    def values(samples: Samples) -> list[float]:
        pairs = zip(samples.get(one, ()), samples.get(other, ()), strict=False)
        return [factor * first / second for first, second in pairs if second and not math.isnan(first + second)]

    return values


def itself(name: str) -> Callable[[Samples], list[float]]:
    return lambda samples: list(samples.get(name, ()))


def to_best_of(one: str, others: Sequence[str]) -> Callable[[Samples], list[float]]:
    """Against the greatest of the others in the same round; one that could not be measured is left out."""

    def values(samples: Samples) -> list[float]:
        measured = [samples[other] for other in others if samples.get(other)]
        if not measured:
            return []
        best = [max(values) for values in zip(*measured, strict=False)]
        return [first / second for first, second in zip(samples.get(one, ()), best, strict=False)]

    return values


def _versus(peer: str, at_least: float, aim: float) -> Figure:
    values = ratio("drain_creates.ours.rate", f"drain_creates.{peer}.rate")
    return Figure(f"drain_creates_vs_{peer}", f"drain of creates, ours ÷ {peer}", at_least, aim, values, ("drain",))


def _visible(rate: int, at_most: float, aim: float) -> Figure:
    values = ratio(f"visible.ours.{rate}.p99_ms", "visible.naive.100.p99_ms")
    meaning = f"publish → visible, p99 at {rate}/s ÷ naive's at 100/s"
    return Figure(f"visible_p99_{rate}_vs_naive_100", meaning, at_most, aim, values, ("latency",), less_is_better=True)


def _rss(service: str) -> Figure:
    values = itself(f"memory.large.{service}_mb")
    meaning = f"resident memory of {service} at the end of 200,000, MB"
    return Figure(f"rss_{service}_mb", meaning, 110, 80, values, ("memory",), less_is_better=True)


FIGURES: Sequence[Figure] = (
    _versus("naive", 25, 45),
    _versus("faststream", 25, 50),
    _versus("celery", 25, 50),
    _versus("taskiq", 25, 50),
    Figure(
        "drain_updates_vs_naive",
        "drain of updates, ours ÷ naive",
        12,
        20,
        ratio("drain_updates.ours.rate", "drain_updates.naive.rate"),
        ("drain",),
    ),
    Figure(
        "drain_vs_cpu_bound", "drain rate ÷ (cores ÷ CPU per command)", 0.7, 0.85, itself("drain.cpu_bound"), ("drain",)
    ),
    Figure(
        "rpc_serial_p50_vs_echo",
        "GetUserById serial, p50 ÷ bare echo",
        1.3,
        1.1,
        ratio("rpc.ours.p50_ms", "rpc.echo.p50_ms"),
        ("rpc",),
        less_is_better=True,
    ),
    Figure(
        "rpc_serial_p99_vs_echo",
        "GetUserById serial, p99 ÷ bare echo",
        1.6,
        1.2,
        ratio("rpc.ours.p99_ms", "rpc.echo.p99_ms"),
        ("rpc",),
        less_is_better=True,
    ),
    Figure(
        "rpc_64_rate_vs_echo", "64 in flight, rate ÷ bare echo", 2, 4, ratio("rpc.ours.rate", "rpc.echo.rate"), ("rpc",)
    ),
    Figure(
        "rpc_64_rate_vs_best_peer",
        "64 in flight, rate ÷ the better of Nameko and Celery",
        5,
        10,
        to_best_of("rpc.ours.rate", ["rpc.nameko.rate", "rpc.celery.rate"]),
        ("rpc",),
    ),
    _visible(200, 1, 0.5),
    _visible(1000, 1.4, 0.7),
    _visible(2000, 2, 1.2),
    Figure(
        "drain_200k_vs_20k",
        "rate of a drain of 200,000 ÷ of 20,000",
        0.9,
        1.0,
        ratio("memory.large.rate", "memory.small.rate"),
        ("memory",),
    ),
    Figure(
        "drain_1m_users_vs_10k",
        "rate with 1,000,000 users ÷ with 10,000",
        0.85,
        1.0,
        ratio("growth.many.rate", "growth.few.rate"),
        ("growth",),
    ),
    _rss("command"),
    _rss("query"),
    Figure(
        "cpu_per_command_1000_vs_200",
        "CPU per command at 1,000/s ÷ at 200/s",
        0.5,
        0.25,
        ratio("cpu.ours.1000.ms", "cpu.ours.200.ms"),
        ("cpu", "latency"),
        less_is_better=True,
    ),
)


def measured(samples: Samples, figures: Iterable[Figure] = FIGURES) -> list[tuple[Figure, Spread]]:
    """Those for which there are samples, in their order."""
    return [(figure, spread(values)) for figure in figures if (values := figure.values(samples))]


def unmeasured(samples: Samples, sections: Iterable[str], figures: Iterable[Figure] = FIGURES) -> list[str]:
    """The names of the figures that these sections should have given, and did not."""
    chosen = set(sections)
    return [figure.name for figure in figures if chosen & set(figure.sections) and not figure.values(samples)]


def lines(samples: Samples) -> list[str]:
    """`NAME VALUE`: the median of the rounds."""
    return [f"{figure.name} {shown(value.median)}" for figure, value in measured(samples)]


def shown(value: float) -> str:
    """Three digits that count, and no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
