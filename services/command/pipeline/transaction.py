"""One batch in one transaction: inbox, aggregates, event log, outbox, dead letters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.command.aggregates import Aggregates, AggregateStore
from services.command.command_bus import CommandBus
from services.command.pipeline.announcements import event_messages, outcome_messages
from services.command.pipeline.arrivals import Arrival, CommandArrived
from services.command.pipeline.batch_decision import BatchDecision, decide_batch
from services.command.postgres import dead_letters, events, inbox, outbox
from services.command.postgres.reading import Reading, read_together
from services.command.postgres.row_insert import insert_together
from shared.contracts.base import Command
from shared.messaging.envelope import Delivery

Known: TypeAlias = Mapping[UUID, inbox.Processed]
AllAggregates: TypeAlias = Mapping[str, Aggregates[Any]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What is left to do once the batch can't be lost any more: publish, reply, acknowledge."""

    deliveries: Sequence[Delivery]
    promised: Sequence[outbox.Stored]
    replies: Sequence[tuple[Delivery, str]]
    counts: Sequence[tuple[str, str]]
    buried: Sequence[str] = ()
    """The reasons of the dead letters."""


class BatchTransaction:
    """`await transaction(arrivals)` applies them all or none.

    Two statements, each a transaction of its own: one reads, one writes. Nothing is locked in between, and nobody is
    held up by a process that stops there. What another process commits in between is noticed by the unique constraints
    of inbox, event log and addresses, and raises IntegrityError; nothing has been written then.

    Raises what the store or a faulty handler raises. When the answer to the second statement is lost the batch may have
    been applied all the same; then the inbox answers for it when it is run again, and the sweep publishes it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        bus: CommandBus,
        stores: Sequence[AggregateStore[Any]],
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bus = bus
        self._stores = {store.aggregate_type: store for store in stores}
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
        async with self._engine.connect() as connection:
            known, aggregates = await self._read(connection, arrivals)
            decision = decide_batch(arrivals, known=known, aggregates=aggregates, bus=self._bus, new_id=self._new_id)
            promised = await self._write(connection, decision, aggregates)
        return Committed(
            [arrival.delivery for arrival in arrivals],
            promised,
            decision.replies,
            decision.counts,
            [letter.reason for letter in decision.letters],
        )

    async def _read(self, connection: AsyncConnection, arrivals: Sequence[Arrival]) -> tuple[Known, AllAggregates]:
        """What has been processed before, and the aggregates by their types."""
        command_ids = {arrival.command_id for arrival in arrivals if arrival.command_id is not None}
        if not command_ids:
            return {}, {}
        commands: dict[str, list[Command]] = {}
        for arrival in arrivals:
            if isinstance(arrival, CommandArrived):
                commands.setdefault(arrival.command.aggregate_type, []).append(arrival.command)
        readings: list[Reading] = [inbox.reading(command_ids)]
        places: dict[str, slice] = {}
        for type_, them in commands.items():
            start = len(readings)
            readings.extend(self._stores[type_].readings(them))
            places[type_] = slice(start, len(readings))
        found = await read_together(connection, readings)
        aggregates = {type_: self._stores[type_].loaded(found[place]) for type_, place in places.items()}
        return inbox.known(found[0]), aggregates

    async def _write(
        self, connection: AsyncConnection, decision: BatchDecision, aggregates: AllAggregates
    ) -> Sequence[outbox.Stored]:
        """All that is decided; gives the messages that are promised with it."""
        now = self._clock()
        rows = [fact.row for fact in decision.facts]
        promised = [
            *event_messages(decision.facts, now),
            *outcome_messages(decision.announced, now, self._new_id),
        ]
        additions = [
            addition for type_, changed in aggregates.items() for addition in self._stores[type_].additions(changed)
        ]
        if decision.processed:
            additions.append(inbox.addition(decision.processed))
        if decision.letters:
            additions.append(dead_letters.addition(decision.letters))
        if rows:
            additions.append(events.addition(rows))
        if promised:
            additions.append(outbox.addition(promised, events=len(rows)))
        if not additions:
            return []
        added = await insert_together(connection, additions, now=now)
        return outbox.stored(promised, added)
