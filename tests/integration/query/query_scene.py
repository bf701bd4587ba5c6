"""The query side without a broker, and what tests of queries ask of it."""

from typing import Any

from services.query.bootstrap import register_queries
from services.query.domain_event import DomainEvent
from services.query.freshness.demand import ANY_STATE, Demand
from services.query.live_models import LiveFoldedModel, LiveModels
from services.query.mongo.collections import Collections
from services.query.query_bus import QueryBus
from shared.contracts.answer import Answered, Failed
from shared.contracts.consistency_token import parse_tokens
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import at


async def at_once() -> None:
    """A marker of a queue that nothing waits in."""


class Scene:
    """The query side without a broker: what the projector wrote, asked through the bus."""

    def __init__(self, collections: Collections, log: FakeEventLog | None = None) -> None:
        self.collections = collections
        self.bus = QueryBus()
        self.models = LiveModels(collections, log or FakeEventLog(), lambda _model: at_once)
        register_queries(self.models, self.bus)

    async def project(self, *events: Any) -> None:
        for live in self.models.all:
            if isinstance(live, LiveFoldedModel):
                await live.projection.apply(events)

    async def ask(self, query: str, demand: Demand = ANY_STATE, /, **body: Any) -> dict[str, Any]:
        answer = await self.bus.ask(query, body, demand)
        if isinstance(answer, Failed):
            return {"code": str(answer.error.code), "retryable": answer.error.retryable, "why": answer.error.message}
        assert isinstance(answer, Answered)
        data: dict[str, Any] = answer.data
        return data | {"as_of": (answer.as_of.version, answer.as_of.time)}

    async def page_through(self, limit: int, query: str = "GetAllUsers", **body: Any) -> list[str]:
        """The ids of all users that the query lists, page by page."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.ask(query, limit=limit, **body, **cursor)
            found += [user["user_id"] for user in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}


def seen(tokens: str, max_wait: float = 1.0) -> Demand:
    return Demand(parse_tokens(tokens), max_wait)


def moved(event: DomainEvent, seconds: int) -> DomainEvent:
    """The same event at another time."""
    return DomainEvent(event.envelope.model_copy(update={"time": at(seconds)}), event.data)


def stages_of(plan: dict[str, Any]) -> set[str]:
    inner = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return {plan["stage"]}.union(*(stages_of(stage) for stage in inner))
