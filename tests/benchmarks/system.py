"""What is measured: a system that takes commands from queues and shows their effect in MongoDB."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tests.benchmarks.commands import Command
from tests.benchmarks.sender import Sender
from tests.benchmarks.stores import Counted, Stores, Watched


class System(Protocol):
    """Two sides, each a process or more: one handles commands, the other writes what queries read."""

    @property
    def name(self) -> str: ...

    @property
    def stores(self) -> Stores: ...

    async def watched(self) -> Sequence[Watched]:
        """Every collection that a command must have reached before it counts as done."""
        ...

    @property
    def counted(self) -> Sequence[Counted]:
        """The same for what is only counted."""
        ...

    async def reset(self) -> None:
        """Stops both sides and forgets everything."""
        ...

    async def load(self, commands: Sequence[Command]) -> None:
        """Puts commands into the queues; returns when the broker has confirmed all."""
        ...

    async def start_queries(self) -> None:
        """Returns when it is at work."""
        ...

    async def start_commands(self, *, wait: bool = True) -> None:
        """Without `wait` it returns at once."""
        ...

    async def stop(self, *, only_commands: bool = False) -> None: ...

    def pids(self) -> Mapping[str, int]:
        """The processes that work for it, servers included."""
        ...


class Publishing(System, Protocol):
    """One that takes commands as they go on the wire, hence at a rate of the measurer's."""

    def sender(self) -> Sender: ...

    def exchange(self) -> str: ...

    @property
    def users(self) -> Watched: ...
