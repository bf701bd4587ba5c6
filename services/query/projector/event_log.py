"""The command service's event log, asked over the broker."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol
from uuid import uuid4

from pydantic import ValidationError

from services.query.domain_event import DomainEvent, domain_event
from shared.contracts.answer import ANSWER, Failed
from shared.contracts.queries.read_events import MAX_EVENTS, AggregateCursor, ReadEvents
from shared.contracts.views import EventPage
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.rpc_client import RpcError
from shared.messaging.topology import EVENT_LOG, EVENT_LOG_KEY

MAX_AGGREGATES = 500


class EventLogUnavailableError(Exception):
    """The log gives no answer now; it may a little later."""


class EventLog(Protocol):
    def read(self, aggregate_type: str, after: Mapping[str, int]) -> AsyncIterator[list[DomainEvent]]:
        """Yields, in pages, each aggregate's events after the version given for it, oldest first, up to the newest.

        Raises EventLogUnavailableError.
        """
        ...


class Rpc(Protocol):
    async def call(self, request: Envelope, *, timeout: float) -> Delivery: ...


class RpcEventLog:
    """Asks `ReadEvents`. `timeout` is in seconds, for each page."""

    def __init__(self, rpc: Rpc, *, timeout: float = 10.0, page_size: int = MAX_EVENTS) -> None:
        self._rpc = rpc
        self._timeout = timeout
        self._page_size = page_size

    async def read(self, aggregate_type: str, after: Mapping[str, int]) -> AsyncIterator[list[DomainEvent]]:
        ids = list(after)
        for start in range(0, len(ids), MAX_AGGREGATES):
            cursors = {key: after[key] for key in ids[start : start + MAX_AGGREGATES]}
            more = True
            while more:
                page = await self._page(aggregate_type, cursors)
                events = [domain_event(envelope) for envelope in page.events]
                for event in events:
                    cursors[event.aggregate_id] = max(event.version, cursors[event.aggregate_id])
                if events:
                    yield events
                more = page.more and bool(events)

    async def _page(self, aggregate_type: str, cursors: Mapping[str, int]) -> EventPage:
        query = ReadEvents(
            aggregates=[
                AggregateCursor(aggregate_type=aggregate_type, aggregate_id=key, after_version=version)
                for key, version in cursors.items()
            ],
            limit=self._page_size,
        )
        request = Envelope(
            exchange=EVENT_LOG,
            routing_key=EVENT_LOG_KEY,
            type=ReadEvents.type,
            message_id=str(uuid4()),
            body=query.model_dump_json().encode(),
            persistent=False,
        )
        try:
            reply = await self._rpc.call(request, timeout=self._timeout)
            answer = ANSWER.validate_json(reply.body)
            if isinstance(answer, Failed):
                raise EventLogUnavailableError(f"the event log answered {answer.error.code}")
            return EventPage.model_validate(answer.data)
        except RpcError as error:
            raise EventLogUnavailableError(f"the event log gives no answer: {type(error).__name__}") from error
        except ValidationError as error:
            raise EventLogUnavailableError("the event log's answer can't be read") from error
