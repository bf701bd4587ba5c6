"""A log in memory: what the command service would answer."""

from collections.abc import AsyncIterator, Iterable, Mapping

from services.query.domain_event import DomainEvent
from services.query.projector.event_log import EventLogUnavailableError


class FakeEventLog:
    """Gives pages of `page_size`. `asked` records what was asked for; `away` makes it unreachable."""

    def __init__(self, events: Iterable[DomainEvent] = (), *, page_size: int = 1000) -> None:
        self.events = list(events)
        self.page_size = page_size
        self.asked: list[dict[str, int]] = []
        self.away = False

    async def read(self, aggregate_type: str, after: Mapping[str, int]) -> AsyncIterator[list[DomainEvent]]:
        assert aggregate_type == "user"
        self.asked.append(dict(after))
        if self.away:
            raise EventLogUnavailableError("nobody there")
        found = [event for event in self.events if event.version > after.get(event.aggregate_id, event.version)]
        found.sort(key=lambda event: (event.aggregate_id, event.version))
        for start in range(0, len(found), self.page_size):
            yield found[start : start + self.page_size]
