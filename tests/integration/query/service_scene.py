"""The whole query service on a real broker and a real MongoDB, and the world around it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import aiohttp
from pydantic import SecretStr
from yarl import URL

from services.query.bootstrap import NO_SEAMS, Seams, bootstrap
from services.query.domain_event import DomainEvent
from services.query.mongo.collections import Collections, Database
from services.query.read_model import Document
from services.query.service import QueryService
from services.query.settings import QuerySettings
from shared.contracts.answer import ANSWER_TYPE, Answered, AsOf
from shared.contracts.cloud_event import CONTENT_TYPE, routing_key
from shared.contracts.outcome import OUTCOMES_TYPE, Accepted, Outcomes
from shared.contracts.queries.read_events import ReadEvents
from shared.contracts.queries.read_log import Behind, LogHead, LogPage, ReadLog, ReadLogHead
from shared.contracts.views import EventPage, View
from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.replier import AmqpReplier
from shared.messaging.reply import Reply
from shared.messaging.responder import Responder
from shared.messaging.rpc_client import RpcClient


class World:
    """Publishes as the command service does, answers `ReadEvents` from `log` and `ReadLog` from that and from all that
    was emitted, and asks as a client does.
    """

    def __init__(self, url: str, database: Database) -> None:
        self.url = url
        self.collections = Collections(database)
        self.log: list[DomainEvent] = []
        self.emitted: list[DomainEvent] = []
        self.pages_read = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        connection = await enter(SupervisedConnection(self.url, name="test world"))
        self.publisher = await enter(AmqpPublisher(connection))
        self.rpc = await enter(RpcClient(connection))
        requests = await enter(AmqpBatchConsumer(connection, ["event-log"]))
        responder = Responder(requests, await enter(AmqpReplier(connection)), self._answer)
        answering = asyncio.create_task(responder.run())
        self._stack.callback(answering.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def emit(self, events: Iterable[DomainEvent]) -> None:
        """With the outcomes of the commands that caused them."""
        events = list(events)
        self.emitted += events
        messages = [
            Envelope(
                exchange="events",
                routing_key=routing_key("user", event.type),
                type=event.type,
                message_id=str(event.envelope.id),
                content_type=CONTENT_TYPE,
                body=event.envelope.model_dump_json().encode(),
            )
            for event in events
        ]
        await self.publish([*messages, *map(_told, events)])

    async def publish(self, envelopes: Iterable[Envelope]) -> None:
        results = await self.publisher.publish(list(envelopes))
        assert set(results) <= {None}, set(results)

    async def ask(self, query: str, /, headers: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        request = Envelope(
            exchange="queries", routing_key="query", type=query, body=json.dumps(body).encode(), headers=headers or {}
        )
        reply = await self.rpc.call(request, timeout=40)
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    async def users(self) -> dict[str, Document]:
        return {user["_id"]: user async for user in self.collections.live("users").find()}

    async def wait_for_users(self, versions: dict[str, int], seconds: float = 30) -> dict[str, Document]:
        """Returns when the read model holds exactly these users at these versions."""
        users: dict[str, Document] = {}
        async with asyncio.timeout(seconds):
            while {name: user["version"] for name, user in users.items()} != versions:
                await asyncio.sleep(0.02)
                users = await self.users()
        return users

    async def _answer(self, request: Delivery) -> Reply:
        match request.type:
            case ReadLog.type:
                data: View = self._log_page(ReadLog.model_validate_json(request.body))
            case ReadLogHead.type:
                data = self._log_head(ReadLogHead.model_validate_json(request.body))
            case _:
                data = self._event_page(request)
        return Reply(type=ANSWER_TYPE, body=Answered(data=data, as_of=AsOf()).model_dump_json().encode())

    def _log_page(self, query: ReadLog) -> LogPage:
        found = [event.envelope for event in (*self.log, *self.emitted) if event.envelope.position > query.after]
        found.sort(key=lambda envelope: (envelope.position, envelope.aggregateid))
        return LogPage(events=found, position=found[-1].position if found else query.after, more=False)

    def _log_head(self, query: ReadLogHead) -> LogHead:
        positions = [event.envelope.position for event in (*self.log, *self.emitted)]
        behind = [Behind(events=sum(each > after for each in positions), seconds=0.0) for after in query.after]
        end = max(positions, default=0)
        return LogHead(position=end, settled=end, behind=behind)

    def _event_page(self, request: Delivery) -> EventPage:
        self.pages_read += 1
        query = ReadEvents.model_validate_json(request.body)
        found = [
            event.envelope
            for cursor in query.aggregates
            for event in sorted(self.log, key=lambda event: event.version)
            if event.aggregate_id == cursor.aggregate_id and event.version > cursor.after_version
        ]
        return EventPage(events=found[: query.limit], more=len(found) > query.limit)


def _told(event: DomainEvent) -> Envelope:
    its = event.envelope
    assert its.causationid is not None
    outcome = Accepted(
        command_id=its.causationid,
        aggregate_id=its.aggregateid,
        version=its.aggregateversion,
        consistency_token=f"{its.aggregatetype}/{its.aggregateid}@{its.aggregateversion}",
    )
    told = Outcomes(time=its.time, position=its.position, outcomes=(outcome,))
    return Envelope(
        exchange="outcomes",
        routing_key="command.outcomes",
        type=OUTCOMES_TYPE,
        message_id=str(uuid4()),
        body=told.model_dump_json().encode(),
    )


def settings_for(amqp_url: str, mongo_url: str, database: Database, **changes: Any) -> QuerySettings:
    url = URL(mongo_url)
    access = {"authSource": "admin"} if url.user else {}
    return QuerySettings(
        amqp_url=SecretStr(amqp_url),
        mongo_url=SecretStr(str(url.with_path(f"/{database.name}").with_query({**url.query, **access}))),
        http_port=0,
        **changes,
    )


@asynccontextmanager
async def running(settings: QuerySettings, seams: Seams = NO_SEAMS) -> AsyncIterator[QueryService]:
    """The service at work; told to stop, and waited for, when the block ends."""
    stop = asyncio.Event()
    async with bootstrap(settings, seams) as service:
        work = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await work


async def http_get(service: QueryService, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{service.http_port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()
