"""What a live query makes of changes: the part of it that knows what the query means."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.mongo.collections import CollectionSource
from shared.contracts.answer import Answered, Failed

Ask: TypeAlias = Callable[[Demand], Awaitable[Answered | Failed]]
"""Asks the query as anybody would."""


@dataclass(frozen=True, slots=True)
class Update:
    """An answer, and the token with which another subscription goes on after it."""

    answer: Answered | Failed
    resume_token: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first answer and what follows it at once. `resumed`: a token was given, and nothing is missing since."""

    updates: Sequence[Update]
    resumed: bool = False


class Follower(Protocol):
    """Of one subscription. Every method may be called again after it has raised (PyMongoError,
    EventLogUnavailableError), and is not called while another one runs.
    """

    @property
    def pause(self) -> float:
        """Seconds between its updates; 0 where each change is one."""
        ...

    @property
    def patience(self) -> float | None:
        """Seconds until its answer may change though nothing is written (`again` then); None: never."""
        ...

    @property
    def source(self) -> CollectionSource:
        """Whose changes it wants."""
        ...

    @property
    def key(self) -> Any:
        """Of the one document whose changes it wants; None: of any."""
        ...

    async def begin(self, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        """Changes are collected from before this call on: what it reads and what they tell may overlap.

        Raises BadCursorError for a token that is none.
        """
        ...

    async def next(self, changes: Sequence[Change]) -> Sequence[Update]: ...

    async def again(self) -> Sequence[Update]:
        """Changes may have been missed, the read model has another generation, or `patience` is over: what brings the
        asker up to date.
        """
        ...
