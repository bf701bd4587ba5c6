"""Whether the services grow as they live: memory, Python's objects, file descriptors and asyncio tasks of each process.

Resident memory goes up in steps: the allocator keeps what the largest burst so far took (a backlog after an outage,
the partitions of a process that died), and the next larger one comes ever more rarely. So it is judged without its
largest steps, and beside it the blocks of memory that Python's objects hold, which go down again after a burst.
"""

import asyncio
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.chaos_stack import World
from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.recovery import SERVICES

WARM_UP_SECONDS = 120.0
"""Of each life, not judged: imports, pools and caches fill up, and the allocator takes what the first bursts need."""
APART_SECONDS = 60.0
"""Two samples that are compared are at least that far apart: closer, noise looks like a steep slope."""
ENOUGH_SECONDS = 480.0
"""Of a life, its warm-up left out, before it is judged. A process that stands by and takes over grows to its size once
more when it does, whatever its age; in a short life that step is most of what is seen.
"""
FIGURES = {
    "process_resident_memory_bytes": "memory",
    "python_allocated_blocks": "blocks",
    "process_open_fds": "descriptors",
    "event_loop_tasks": "tasks",
}
ALLOWED_PER_HOUR = {
    # Allocators: an arena more or less in half an hour. 100 bytes lost for each of 60 commands/s would be 21 MB.
    "memory": 12e6,
    # A service holds 500,000. One lost for each command of a process would be 40,000 and more.
    "blocks": 30e3,
    # One lost with every tenth fault would be 12: they come every 15 s or so.
    "descriptors": 6.0,
    "tasks": 6.0,
}
CERTAIN = 3.0
"""Standard deviations: with 24 slopes in a run, chance alone would find one in 30 runs, were it not for the bounds."""
STEPS = {"memory": 3, "blocks": 1, "descriptors": 1, "tasks": 1}
"""In a life. 100 bytes lost for each of 60 commands/s would be 7 steps of a megabyte in 20 minutes, for Python takes
that much at a time; what is left without three of them is above what is allowed.
"""
BESIDE = 5
"""Samples before and after a step; all of the later ones are above all of the earlier ones."""


STEADY = 0.1
"""Of a life's whole rise, what each quarter of it must add to the one before: a leak goes on."""
ENOUGH_SAMPLES = 8


@dataclass(frozen=True)
class Sample:
    """Of one process, `at` seconds of its life; memory in bytes."""

    at: float
    figures: dict[str, float]


@dataclass
class Growth:
    """Samples by part (`command-1`) and by life, which a process's start time tells apart."""

    lives: dict[str, dict[float, list[Sample]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    async def look(self, world: World, history: History) -> None:
        """One sample of each process; called when everything works, so that no fault is taken for growth."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for service in SERVICES:
                parts = zip(world.parts(service), world.stack.http_urls(service), strict=True)
                await asyncio.gather(*(self._look_at(session, part, url, history) for part, url in parts))

    async def _look_at(self, session: aiohttp.ClientSession, part: str, url: str, history: History) -> None:
        try:
            async with session.get(f"{url}/metrics") as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return  # it died just now
        values = {
            sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        }
        born = values["process_start_time_seconds"]
        figures = {figure: values[name] for name, figure in FIGURES.items()}
        self.lives[part][born].append(Sample(time.time() - born, figures))
        history.note("size", part=part, age=round(time.time() - born), **figures)

    def violations(self) -> list[Violation]:
        grown = [
            f"{part}: {figure} {slope:+.3g} per hour, {ALLOWED_PER_HOUR[figure]:.3g} allowed"
            for part in sorted(self.lives)
            for figure in FIGURES.values()
            if (slope := self.slope(part, figure)) is not None
            and slope > ALLOWED_PER_HOUR[figure]
            and self.certainty(part, figure) > CERTAIN
            and self.is_steady(part, figure)
        ]
        return [Violation("memory, objects, descriptors and tasks do not grow", grown)] if grown else []

    def slope(self, part: str, figure: str) -> float | None:
        """Per hour: the median of the slopes between any two samples of one life (Theil-Sen, within each life).

        The median is not moved by single samples that fell into a burst, nor by the jump between two lives. None when
        no life is long enough.
        """
        slopes = [slope for life in self._long_lives(part) for slope in _slopes(life, figure)]
        return statistics.median(slopes) * 3600 if slopes else None

    def certainty(self, part: str, figure: str) -> float:
        """In standard deviations of what chance would do: the seasonal Kendall test, with lives for seasons.

        Hirsch, Slack, Smith: Techniques of trend analysis for monthly water quality data (1982).
        """
        score = variance = 0.0
        for life in self._long_lives(part):
            values = [sample.figures[figure] for sample in life]
            count = len(values)
            score += sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
            variance += count * (count - 1) * (2 * count + 5) / 18
        return score / math.sqrt(variance) if variance else 0.0

    def is_steady(self, part: str, figure: str) -> bool:
        """Whether it grew from each quarter of a life to the next; for each of them the median life is asked."""
        rises = [list(_rises(life, figure)) for life in self._long_lives(part) if len(life) >= ENOUGH_SAMPLES]
        usual = [statistics.median(of_each) for of_each in zip(*rises, strict=True)]
        return bool(usual) and min(usual) > STEADY * sum(usual) > 0

    def _long_lives(self, part: str) -> list[list[Sample]]:
        """Without their warm-up and their largest steps."""
        lives = [judged(life) for life in self.lives[part].values()]
        return [without_steps(life) for life in lives if life and life[-1].at - life[0].at >= ENOUGH_SECONDS]

    def table(self) -> Iterator[str]:
        """A line for each part: its longest life, without its warm-up, in quarters (a step is seen from a slope), and
        the slopes; then how many lives of each service were long enough to be judged.
        """
        yield (
            f"{'part':<12}{'lives':>6}{'minutes':>9}  {'RSS MB':<25}{'1,000 blocks':<21}{'descriptors':<14}"
            f"{'tasks':<14}per hour"
        )
        for part, lives in sorted(self.lives.items()):
            longest = max(lives.values(), key=lambda life: life[-1].at - life[0].at)
            shown = judged(longest) or longest
            columns = "".join(
                f"{_quarters(shown, figure, scale, digits):<{width}}"
                for figure, scale, digits, width in (
                    ("memory", 1e-6, 1, 25),
                    ("blocks", 1e-3, 0, 21),
                    ("descriptors", 1, 0, 14),
                    ("tasks", 1, 0, 14),
                )
            )
            slopes = [self.slope(part, figure) for figure in FIGURES.values()]
            per_hour = ", ".join(
                "–" if slope is None else f"{slope * scale:+.1f}"
                for slope, scale in zip(slopes, (1e-6, 1e-3, 1, 1), strict=True)
            )
            minutes = (shown[-1].at - shown[0].at) / 60
            yield f"{part:<12}{len(lives):>6}{minutes:>9.1f}  {columns}{per_hour}"
        long = {
            service: sum(len(self._long_lives(part)) for part in self.lives if part.startswith(service))
            for service in SERVICES
        }
        enough = (WARM_UP_SECONDS + ENOUGH_SECONDS) / 60
        yield f"judged, for they lived {enough:.0f} minutes: " + ", ".join(
            f"{count} of {s}" for s, count in long.items()
        )


def judged(life: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in life if sample.at >= WARM_UP_SECONDS]


def without_steps(life: Sequence[Sample]) -> list[Sample]:
    columns = {figure: _without_steps([sample.figures[figure] for sample in life], STEPS[figure]) for figure in STEPS}
    return [
        Sample(sample.at, {figure: column[index] for figure, column in columns.items()})
        for index, sample in enumerate(life)
    ]


def _without_steps(values: Sequence[float], most: int) -> list[float]:
    rises = {
        index: rise
        for index in range(1, len(values))
        if (rise := min(values[index : index + BESIDE]) - max(values[max(0, index - BESIDE) : index])) > 0
    }
    largest = sorted(rises, key=lambda index: rises[index], reverse=True)[:most]
    return [value - sum(rises[step] for step in largest if step <= index) for index, value in enumerate(values)]


def _slopes(life: Sequence[Sample], figure: str) -> Iterator[float]:
    for earlier, later in combinations(life, 2):
        if later.at - earlier.at >= APART_SECONDS:
            yield (later.figures[figure] - earlier.figures[figure]) / (later.at - earlier.at)


def _rises(life: Sequence[Sample], figure: str) -> Iterator[float]:
    """From the median of each quarter of the samples to that of the next."""
    values = [sample.figures[figure] for sample in life]
    cuts = [len(values) * part // 4 for part in range(5)]
    medians = [statistics.median(values[begin:end]) for begin, end in pairwise(cuts)]
    for earlier, later in pairwise(medians):
        yield later - earlier


def _quarters(life: Sequence[Sample], figure: str, scale: float, digits: int) -> str:
    """The median of each quarter of the time."""
    began, length = life[0].at, (life[-1].at - life[0].at) or 1.0
    quarters: list[list[float]] = [[], [], [], []]
    for sample in life:
        quarters[min(3, int((sample.at - began) / length * 4))].append(sample.figures[figure] * scale)
    return " ".join(f"{statistics.median(quarter):.{digits}f}" for quarter in quarters if quarter)
