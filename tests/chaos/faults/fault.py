"""What every fault class is."""

from random import Random
from typing import Protocol

from tests.chaos.chaos_stack import World


class Fault(Protocol):
    """One injection of a fault class; made anew, from the run's random numbers, for each.

    `target` is what it hits (`command`, `query`, `rabbitmq`, `postgres`, `mongo`, `stream`): faults that are mixed
    differ in it.
    `unready` are the services that may say that they are not ready while it lasts; the others must not.
    `seconds` is how long it lasts, after `inject` has returned.
    `needs_servers` says that to inject or heal it takes servers that work: mixed, it is first in and last out.
    """

    name: str
    target: str
    unready: frozenset[str]
    seconds: float
    needs_servers: bool

    async def inject(self, world: World) -> None: ...

    async def heal(self, world: World) -> None:
        """Undoes it; returns when what was hit works or, if it is a service, has been started."""
        ...

    async def answer(self, world: World) -> str | None:
        """Does what an operator is told to do about it, once everything works again, and gives what came of it; None
        where it heals by itself. Raises NotRecoveredError.
        """
        ...


UNREADY = {
    "command": frozenset({"command"}),
    "query": frozenset({"query"}),
    "rabbitmq": frozenset({"command", "query"}),
    # A gap in the events can't be healed while the log is away, and then a projection says so.
    "postgres": frozenset({"command", "query"}),
    "mongo": frozenset({"query"}),
    "stream": frozenset({"query"}),  # mixed with something that keeps it from the log
}
"""Which services a fault of a target may make unready."""


class Base:
    """Name, target and how long; a fault class adds `inject` and `heal`, few an `answer`."""

    needs_servers = False

    def __init__(self, name: str, target: str, seconds: float) -> None:
        self.name = name
        self.target = target
        self.unready = UNREADY[target]
        self.seconds = seconds

    async def answer(self, world: World) -> str | None:
        return None


def some(rng: Random, parts: list[str]) -> list[str]:
    """At least one of them."""
    return rng.sample(parts, rng.randint(1, len(parts)))
