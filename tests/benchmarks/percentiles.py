"""Medians and percentiles: pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What rounds have in common: the median, and how far they lie apart."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """NaN stands for a round that says nothing, and is left out. Raises ValueError for none."""
    ordered = sorted(value for value in values if not math.isnan(value))
    if not ordered:
        raise ValueError("no values")
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(median, ordered[0], ordered[-1])


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank: the least of the values that `percent` of them do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    rank = math.ceil(percent / 100 * len(values) - 1e-9)
    return sorted(values)[max(rank, 1) - 1]
