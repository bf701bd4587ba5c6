"""The aggregates of one type that a batch of commands is about: in memory, between one load and one save."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from services.command.domain.decision import Decision, Rejection
from services.command.postgres.reading import Reading
from services.command.postgres.row_insert import Addition
from shared.contracts.base import Command, Event

State = TypeVar("State")


class Recorded(NamedTuple):
    """An accepted command: its events carry the versions up to and including `version`."""

    aggregate_type: str
    aggregate_id: str
    version: int
    events: Sequence[Event]


class Change(NamedTuple, Generic[State]):
    """An aggregate that has moved from `loaded_version` (0: it is new) to `version`."""

    aggregate_id: str
    state: State
    version: int
    loaded_version: int


class Aggregates(Generic[State]):
    """Each command of the batch sees what the ones before it did."""

    def __init__(
        self,
        aggregate_type: str,
        evolve: Callable[[State | None, Event], State],
        loaded: Mapping[str, tuple[State, int]],
    ) -> None:
        self._type = aggregate_type
        self._evolve = evolve
        self._loaded = loaded
        self._current = dict(loaded)

    def load(self, aggregate_id: str) -> State | None:
        current = self._current.get(aggregate_id)
        return None if current is None else current[0]

    def version(self, aggregate_id: str) -> int:
        """0 for one that does not exist."""
        current = self._current.get(aggregate_id)
        return 0 if current is None else current[1]

    def record(self, aggregate_id: str, decision: Decision) -> Recorded | Rejection:
        """Applies the decision's events; a rejection is passed through."""
        if isinstance(decision, Rejection):
            return decision
        version = self.version(aggregate_id)
        if decision:
            state = self.load(aggregate_id)
            for event in decision:
                state = self._evolve(state, event)
                version += 1
            assert state is not None  # noqa: S101 - for the type checker: there was an event
            self._current[aggregate_id] = (state, version)
        return Recorded(self._type, aggregate_id, version, decision)

    def changes(self) -> list[Change[State]]:
        """What must be saved, in the order of the ids, so that two processes never wait for each other in a circle."""
        changes = []
        for aggregate_id, (state, version) in self._current.items():
            loaded = self._loaded.get(aggregate_id)
            loaded_version = 0 if loaded is None else loaded[1]
            if version != loaded_version:
                changes.append(Change(aggregate_id, state, version, loaded_version))
        return sorted(changes, key=attrgetter("aggregate_id"))


A = TypeVar("A", bound=Aggregates[Any])


class AggregateStore(Protocol[A]):
    """Where the aggregates of one type are kept. It says what to read and what to write for a whole batch; the batch
    does so for all types together, in one statement each.

    Nothing is locked in between. Who was quicker is settled by the event log, in which each version of an aggregate is
    unique: the slower batch runs again.
    """

    @property
    def aggregate_type(self) -> str: ...

    def readings(self, commands: Sequence[Command]) -> Sequence[Reading]:
        """The aggregates that the commands are about, with whatever else they need to decide."""
        ...

    def loaded(self, rows: Sequence[Sequence[Sequence[Any]]]) -> A:
        """Out of the rows of each of the readings."""
        ...

    def additions(self, aggregates: A) -> Sequence[Addition]:
        """What has changed and what is new. A constraint of the store's own (an address that another process has given
        away meanwhile) makes writing them raise IntegrityError.
        """
        ...
