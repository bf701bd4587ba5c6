"""What a run has measured and whether every promise held."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Figures:
    """`violations` are promises that were broken."""

    violations: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Shown at once: a run takes minutes."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def must(self, held: bool, promise: str) -> None:
        """Notes a promise that did not hold."""
        if not held:
            self.violations.append(promise)

    def verdict(self) -> str:
        return "\n".join(f"BROKEN: {promise}" for promise in self.violations) or "every promise held"


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def milliseconds(values: Sequence[float]) -> str:
    """`p50 1.2 p99 3.4 ms`; the values are seconds."""
    return f"p50 {quantile(values, 0.5) * 1000:.1f}  p99 {quantile(values, 0.99) * 1000:.1f} ms"
