"""What the services wrote down of their deliveries, and what it must not show."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

TAKEN, ACKED = "taken", "acked"


@dataclass(frozen=True, order=True)
class Observation:
    """At a time of the machine's clock, in seconds; `message` is the id by which a repetition is known."""

    at: float
    what: str
    queue: str
    message: str
    redelivered: bool

    @property
    def line(self) -> str:
        return json.dumps(astuple(self)) + "\n"


def observations(folder: Path) -> list[Observation]:
    """Of all processes, in the order of time."""
    return sorted(
        Observation(*json.loads(line)) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()
    )


def done_twice(seen: Iterable[Observation]) -> Iterator[str]:
    """Deliveries that the broker marked as repeated although one of the same message had been acknowledged before.

    Means something only where no client and no service publishes a message twice.
    """
    acked: set[tuple[str, str]] = set()
    for each in seen:
        key = (each.queue, each.message)
        if each.what == ACKED:
            acked.add(key)
        elif each.redelivered and key in acked:
            yield f"{each.queue} {each.message}"


def counted(seen: Iterable[Observation]) -> Counter[str]:
    """How many were taken, acknowledged, and taken again after somebody had given them back."""
    sums: Counter[str] = Counter()
    for each in seen:
        sums[each.what] += 1
        sums["given back"] += each.redelivered and each.what == TAKEN
    return sums
