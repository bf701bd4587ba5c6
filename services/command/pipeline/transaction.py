"""One batch in one transaction: inbox, aggregates, event log, outbox, dead letters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.command.aggregates import Aggregates, AggregateStore
from services.command.command_bus import CommandBus
from services.command.pipeline.announcements import event_messages, outcome_messages
from services.command.pipeline.arrivals import Arrival, CommandArrived
from services.command.pipeline.batch_decision import BatchDecision, decide_batch
from services.command.postgres import dead_letters, events, inbox, outbox
from services.command.postgres.row_insert import insert_together
from shared.contracts.base import Command
from shared.messaging.envelope import Delivery


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

    Raises what the store or a faulty handler raises. After a failed commit the batch may have been applied all the
    same; then the inbox answers for it when it is run again, and the sweep publishes it.
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
        self._engine = engine
        self._bus = bus
        self._stores = {store.aggregate_type: store for store in stores}
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, arrivals: Sequence[Arrival]) -> Committed:
        async with self._engine.begin() as connection:
            aggregates = await self._load(connection, arrivals)
            # After the locks: a command that another process was just committing is seen here, not met as a conflict.
            ids = {arrival.command_id for arrival in arrivals if arrival.command_id is not None}
            known = await inbox.load(connection, ids) if ids else {}
            now = self._clock()
            decision = decide_batch(arrivals, known=known, aggregates=aggregates, bus=self._bus, new_id=self._new_id)
            positions = await self._write(connection, decision, aggregates, now)
            promised = [
                *event_messages(decision.facts, positions, now),
                *outcome_messages(decision.announced, positions, now, self._new_id),
            ]
            stored = await outbox.add(connection, promised)
            await dead_letters.add(connection, decision.letters, now)
        return Committed(
            [arrival.delivery for arrival in arrivals],
            stored,
            decision.replies,
            decision.counts,
            [letter.reason for letter in decision.letters],
        )

    async def _write(
        self,
        connection: AsyncConnection,
        decision: BatchDecision,
        aggregates: Mapping[str, Aggregates[Any]],
        now: datetime,
    ) -> Sequence[int]:
        """Inbox, aggregates and events; gives the positions of the events."""
        saved = [await self._stores[type_].save(connection, loaded, now) for type_, loaded in aggregates.items()]
        additions = [addition for addition in saved if addition is not None]
        if decision.processed:
            additions.append(inbox.addition(decision.processed))
        if not decision.facts:
            if additions:
                await insert_together(connection, additions, now=now)
            return []
        rows = [fact.row for fact in decision.facts]
        inserted = await insert_together(connection, [*additions, events.addition(rows)], now=now)
        return events.positions(rows, inserted)

    async def _load(self, connection: AsyncConnection, arrivals: Sequence[Arrival]) -> Mapping[str, Aggregates[Any]]:
        commands: dict[str, list[Command]] = {}
        for arrival in arrivals:
            if isinstance(arrival, CommandArrived):
                commands.setdefault(arrival.command.aggregate_type, []).append(arrival.command)
        return {type_: await self._stores[type_].load(connection, commands[type_]) for type_ in sorted(commands)}
