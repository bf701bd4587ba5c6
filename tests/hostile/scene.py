"""What the cases act through: clients of the stack under test that share no code with the services."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aio_pika
import aiohttp
import asyncpg
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pymongo import AsyncMongoClient

from shared.messaging.opening import open_connection
from tests.support.oracle import plain_postgres_url
from tests.support.raw_amqp import RawPublisher
from tests.support.stack import Stack

PATIENCE = 30.0
LOOK_EVERY = 0.05


@dataclass(frozen=True)
class Reply:
    correlation_id: str | None
    type: str | None
    document: dict[str, Any]


@dataclass
class Scene:
    """`async with Scene(env, stack) as scene`. `stack` is None for one that runs elsewhere, such as docker compose's.

    `expected_letters` grows with the cases: the (routing key, reason) of each dead letter that there must be.
    """

    env: Mapping[str, str]
    stack: Stack | None = None
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    expected_letters: list[tuple[str, str]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    good_reply_queue: str = ""

    async def __aenter__(self) -> Self:
        self._resources = AsyncExitStack()
        self._client = await self._channel(self.env["CQRS_AMQP_URL"])
        self._admin = await self._channel(self.env["CQRS_ADMIN_AMQP_URL"])
        self.reply_queue = f"reply.hostile-{self.run}"
        queue = await self._client.declare_queue(self.reply_queue, exclusive=True)
        await queue.consume(self._on_reply, no_ack=True)
        self.sql = await asyncpg.connect(plain_postgres_url(self.env["CQRS_POSTGRES_URL"]))
        self._resources.push_async_callback(self.sql.close)
        mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.env["CQRS_MONGO_URL"])
        self.database = (await self._resources.enter_async_context(mongo)).get_default_database()
        self.http = await self._resources.enter_async_context(aiohttp.ClientSession())
        self._letters_before = await self.sql.fetchval("SELECT coalesce(max(id), 0) FROM dead_letters")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    def key(self, number: int) -> str:
        return f"hostile-{self.run}-{number:02d}"

    # sending

    async def send(
        self, key: str, body: bytes | Mapping[str, Any], kind: str | None = "CreateUser", **properties: Any
    ) -> str:
        """A confirmed command; its id, which is the correlation id too."""
        command_id = str(uuid.uuid4())
        settings = {
            "type": kind,
            "message_id": command_id,
            "correlation_id": command_id,
            "reply_to": self.reply_queue,
            "delivery_mode": 2,
            "content_type": "application/json",
        } | properties
        await self._publish(self._client, "commands", key, body, settings)
        return command_id

    async def ask(self, kind: str, body: Mapping[str, Any], *, seconds: float = PATIENCE, **properties: Any) -> str:
        """A query; its correlation id."""
        correlation_id = str(uuid.uuid4())
        settings = {
            "type": kind,
            "correlation_id": correlation_id,
            "reply_to": self.reply_queue,
            "expiration": seconds,
        } | properties
        await self._publish(self._client, "queries", "query", body, settings)
        return correlation_id

    async def tell(self, event: Mapping[str, Any]) -> None:
        """A forged event, as only an administrator can publish it."""
        settings = {"type": event["type"], "message_id": event["id"], "content_type": "application/cloudevents+json"}
        await self._publish(self._admin, "events", f"user.{event['type']}", event, settings | {"delivery_mode": 2})

    async def send_raw(
        self, key: str, flags: int, properties: bytes, body: bytes = b"{}", *, exchange: str = "commands"
    ) -> None:
        """Frames made by hand, on a connection of their own. Raises ConnectionError when the broker hangs up."""
        async with RawPublisher(self.env["CQRS_AMQP_URL"]) as raw:
            await raw.publish(exchange, key.encode(), flags, properties, body)

    @property
    def administrator(self) -> AbstractChannel:
        """For declaring and deleting: what breaks it is none of the services' channels."""
        return self._admin

    # looking

    async def reply(self, correlation_id: str | None) -> dict[str, Any]:
        """The reply with this correlation id; there must be one."""

        async def found() -> list[Reply]:
            return [reply for reply in self.replies if reply.correlation_id == correlation_id]

        replies: list[Reply] = await self.until(found, f"reply {correlation_id}")
        return replies[0].document

    async def accepted(self, command_id: str) -> dict[str, Any]:
        outcome = await self.reply(command_id)
        assert outcome["status"] == "accepted", outcome
        return outcome

    async def rejected(self, command_id: str, code: str) -> dict[str, Any]:
        outcome = await self.reply(command_id)
        assert outcome["status"] == "rejected", outcome
        assert outcome["error"]["code"] == code, outcome
        return outcome

    async def buried(self, key: str, reason: str) -> None:
        """There must be a dead letter of this routing key with this reason, after one attempt."""
        self.expected_letters.append((key, reason))

        async def found() -> list[asyncpg.Record]:
            letters: list[asyncpg.Record] = await self.sql.fetch(
                "SELECT reason, attempts FROM dead_letters WHERE id > $1 AND routing_key = $2",
                self._letters_before,
                key,
            )
            return letters

        letter = (await self.until(found, f"dead letter {key}"))[-1]
        assert (letter["reason"], letter["attempts"]) == (reason, 1), dict(letter)

    async def letters(self) -> list[tuple[str, str]]:
        """(routing key, reason) of every dead letter since the scene began, whoever sent it."""
        rows = await self.sql.fetch(
            "SELECT routing_key, reason FROM dead_letters WHERE id > $1 ORDER BY id", self._letters_before
        )
        return [(row["routing_key"], row["reason"]) for row in rows]

    async def recorded(self, command_id: str) -> dict[str, Any]:
        """The outcome that the write side keeps of a command, whoever was told of it."""

        async def found() -> str | None:
            outcome: str | None = await self.sql.fetchval(
                "SELECT outcome FROM inbox WHERE command_id = $1", uuid.UUID(command_id)
            )
            return outcome

        outcome: dict[str, Any] = json.loads(await self.until(found, f"outcome of {command_id}"))
        return outcome

    async def events_of(self, user_id: str) -> int:
        return int(await self.sql.fetchval("SELECT count(*) FROM events WHERE aggregate_id = $1", user_id))

    async def metric(self, service: str, sample: str) -> float:
        """The value of a sample (`name_total` or `name_total{label="x"}`) summed over the processes of a service."""
        total = 0.0
        for url in self.http_urls(service):
            async with self.http.get(f"{url}/metrics") as response:
                for line in (await response.text()).splitlines():
                    name, _, value = line.rpartition(" ")
                    if name == sample or (name.startswith(sample + "{") and "{" not in sample):
                        total += float(value)
        return total

    def http_urls(self, service: str) -> list[str]:
        if self.stack is not None:
            return self.stack.http_urls(service)
        return [self.env[f"CQRS_{service.upper()}_HTTP_URL"]]

    async def unready(self, service: str) -> str | None:
        """What `/readyz` of the first process complains of; None when it is ready."""
        async with self.http.get(f"{self.http_urls(service)[0]}/readyz") as response:
            return None if response.status == 200 else await response.text()

    async def grown(self, service: str, sample: str, before: float, by: float = 1) -> None:
        async def found() -> bool:
            return await self.metric(service, sample) >= before + by

        await self.until(found, f"{service}: {sample} from {before} to {before + by}")

    async def until(self, look: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> Any:
        """What `look` finds once it finds something; AssertionError when it doesn't in time."""
        deadline = time.monotonic() + seconds
        while not (found := await look()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            await asyncio.sleep(LOOK_EVERY)
        return found

    # details

    async def _channel(self, url: str) -> AbstractChannel:
        connection = await self._resources.enter_async_context(await open_connection(url, timeout=PATIENCE))
        return await connection.channel(publisher_confirms=True, on_return_raises=True)

    async def _publish(
        self,
        channel: AbstractChannel,
        exchange: str,
        key: str,
        body: bytes | Mapping[str, Any],
        properties: Mapping[str, Any],
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(aio_pika.Message(raw, **properties), key, mandatory=True)

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        self.replies.append(Reply(message.correlation_id, message.type, json.loads(message.body)))
