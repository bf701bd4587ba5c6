"""A whole event log in memory: what the command service would answer, asked aggregate by aggregate or by position."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence

from services.query.domain_event import DomainEvent, domain_event
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.log_reader import Events, Histories
from shared.contracts.queries.read_log import Behind, LogHead


class FakeLogReader:
    """An EventLog and a LogReader. `append` gives positions. `away_after` pages it can't be reached any more."""

    def __init__(self, events: Iterable[DomainEvent] = (), *, page_size: int = 3) -> None:
        self.events: list[DomainEvent] = []
        self.page_size = page_size
        self.pages = 0
        self.away_after: int | None = None
        self.seconds_per_page = 0.0
        self.append(*events)

    def append(self, *events: DomainEvent) -> list[DomainEvent]:
        """As they then are in the log."""
        logged = [
            domain_event(event.envelope.model_copy(update={"position": len(self.events) + number}))
            for number, event in enumerate(events, start=1)
        ]
        self.events += logged
        return logged

    async def read(self, aggregate_type: str, after: Mapping[str, int]) -> AsyncIterator[list[DomainEvent]]:
        found = [event for event in self.events if event.version > after.get(event.aggregate_id, event.version)]
        found.sort(key=lambda event: (event.aggregate_id, event.version))
        yield found

    async def after(self, position: int) -> AsyncGenerator[Events, None]:
        while True:
            found = [event for event in self.events if event.envelope.position > position][: self.page_size]
            end = found[-1].envelope.position if found else position
            await self._turn()
            yield Events(found, end)
            position = end
            if not any(event.envelope.position > position for event in self.events):
                return

    async def histories(self, aggregate_type: str, after_id: str = "") -> AsyncGenerator[Histories, None]:
        start = (after_id.encode(), 2**63)
        while True:
            rest = sorted(
                (event for event in self.events if (event.aggregate_id.encode(), event.version) > start),
                key=lambda event: (event.aggregate_id.encode(), event.version),
            )
            page = rest[: self.page_size]
            await self._turn()
            yield Histories(page, len(rest) > len(page))
            if len(rest) == len(page):
                return
            start = (page[-1].aggregate_id.encode(), page[-1].version)

    async def head(self, positions: Sequence[int] = ()) -> LogHead:
        end = len(self.events)
        behind = [Behind(events=max(0, end - position), seconds=0.0) for position in positions]
        return LogHead(position=end, settled=end, behind=behind)

    async def _turn(self) -> None:
        await asyncio.sleep(self.seconds_per_page)
        self.pages += 1
        if self.away_after is not None and self.pages > self.away_after:
            raise EventLogUnavailableError("nobody there")
