"""The sums of a run, as a table."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

NOT_REACHED = " (not reached)"
"""Marks a fault that was to strike at a point which was not passed."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and what shows it: ids, or a moment."""

    promise: str
    shown_by: Sequence[str]

    def __str__(self) -> str:
        some = ", ".join(self.shown_by[:10])
        more = f" … {len(self.shown_by)} in all" if len(self.shown_by) > 10 else ""
        return f"VIOLATION: {self.promise}: {some}{more}"


@dataclass
class Ledger:
    seed: int
    seconds: float = 0.0
    commands: int = 0
    confirmed: int = 0
    poison: int = 0
    duplicates: int = 0
    """Messages published again: planned, or because no confirm came."""
    answers: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from the end of a fault until everything worked, by fault class; `a + b` where two were mixed."""
    growth: Sequence[str] = ()
    """How each process's memory, descriptors and tasks went, as lines of a table."""
    not_hit: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def __str__(self) -> str:
        hits = Counter(
            name
            for mixed, times in self.recoveries.items()
            for name in mixed.split(" + ") * len(times)
            if not name.endswith(NOT_REACHED)
        )
        lines = [
            f"seed {self.seed}, {self.seconds / 60:.1f} minutes",
            f"commands {self.commands}, confirmed {self.confirmed}, poison {self.poison}, "
            f"duplicates delivered {self.duplicates}",
            "answers: " + ", ".join(f"{code} {count}" for code, count in self.answers.most_common()),
            f"faults {sum(hits.values())} of {len(hits)} classes",
            f"{'fault':<58}{'times':>6}{'p50':>7}{'p95':>7}{'max':>7}  seconds to recover",
        ]
        for name, times in sorted(self.recoveries.items()):
            ordered = sorted(times)
            p50, p95 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95))
            lines.append(f"{name:<58}{len(times):>6}{p50:>7.1f}{p95:>7.1f}{ordered[-1]:>7.1f}")
        lines += self.growth
        if self.not_hit:
            lines.append(f"never hit: {', '.join(self.not_hit)}")
        lines += [str(violation) for violation in self.violations]
        lines.append(f"{len(self.violations)} violations")
        return "\n".join(lines)
