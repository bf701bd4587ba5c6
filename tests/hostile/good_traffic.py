"""Clients that do nothing wrong, at a steady rate whatever happens, and what they had to wait for.

Open loop: a command is sent when it is due, not when the one before has its outcome, so that a service which stands
still for a second is seen by every command of that second.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.messaging.opening import open_connection

COMMANDS_PER_SECOND = 20
QUERIES_PER_SECOND = 5
LAST_OUTCOME_SECONDS = 60.0


class Phase(StrEnum):
    ALONE = "alone"
    HOSTILE = "beside 1-61"
    BROKEN = "beside 62-66"


@dataclass
class Sent:
    """A good command or question: beside which case it was due, when (seconds of the monotonic clock), what came back,
    and when.
    """

    phase: Phase
    beside: int
    kind: str
    due: float
    done: float | None = None
    reply: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        assert self.done is not None
        return self.done - self.due

    @property
    def is_well(self) -> bool:
        return self.reply is not None and self.reply["status"] in ("accepted", "ok")


@dataclass
class GoodTraffic:
    """`strangers` are replies with a correlation id that is not ours: passed over."""

    reply_queue: str
    phase: Phase = Phase.ALONE
    beside: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    strangers: int = 0

    def of(self, phase: Phase, kind: str) -> list[Sent]:
        return [each for each in self.sent.values() if (each.phase, each.kind) == (phase, kind)]

    def failed(self, *phases: Phase) -> list[Sent]:
        """What has no outcome, or a bad one."""
        return [each for each in self.sent.values() if each.phase in phases and not each.is_well]

    async def all_answered(self) -> None:
        """Waits for the outcomes still due; those of commands at least must come."""
        deadline = time.monotonic() + LAST_OUTCOME_SECONDS
        while time.monotonic() < deadline and any(each.reply is None for each in self.sent.values()):
            await asyncio.sleep(0.05)


@asynccontextmanager
async def good_traffic(amqp_url: str, run: str) -> AsyncIterator[GoodTraffic]:
    """Runs until the end of the context, and then until the last outcome."""
    traffic = GoodTraffic(f"reply.good-{run}")
    async with await open_connection(amqp_url, timeout=30) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.declare_queue(traffic.reply_queue, exclusive=True)

        async def on_reply(message: AbstractIncomingMessage) -> None:
            sent = traffic.sent.get(message.correlation_id or "")
            if sent is None or sent.done is not None:
                traffic.strangers += 1
                return
            sent.done, sent.reply = time.monotonic(), json.loads(message.body)

        await queue.consume(on_reply, no_ack=True)
        clients = [
            asyncio.create_task(_at_a_steady_rate(traffic, channel, "command", COMMANDS_PER_SECOND, run)),
            asyncio.create_task(_at_a_steady_rate(traffic, channel, "query", QUERIES_PER_SECOND, run)),
        ]
        try:
            yield traffic
        finally:
            for client in clients:
                client.cancel()
            ended = await asyncio.gather(*clients, return_exceptions=True)
            await traffic.all_answered()
        for error in ended:
            if isinstance(error, Exception):
                raise error


async def _at_a_steady_rate(
    traffic: GoodTraffic, channel: AbstractChannel, kind: str, per_second: int, run: str
) -> None:
    started = time.monotonic()
    publishing: set[asyncio.Task[None]] = set()
    for number in count():
        due = started + number / per_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        correlation_id = str(uuid.uuid4())
        traffic.sent[correlation_id] = Sent(traffic.phase, traffic.beside, kind, due)
        publish = _command if kind == "command" else _query
        task = asyncio.create_task(publish(channel, traffic.reply_queue, correlation_id, f"good-{run}-{number}"))
        publishing.add(task)
        task.add_done_callback(publishing.discard)


async def _command(channel: AbstractChannel, reply_to: str, command_id: str, user_id: str) -> None:
    message = aio_pika.Message(
        json.dumps({"user_id": user_id, "name": "Good", "email": f"{user_id}@example.com"}).encode(),
        type="CreateUser",
        message_id=command_id,
        correlation_id=command_id,
        reply_to=reply_to,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    exchange = await channel.get_exchange("commands", ensure=False)
    await exchange.publish(message, user_id, mandatory=True)


async def _query(channel: AbstractChannel, reply_to: str, correlation_id: str, _user_id: str) -> None:
    message = aio_pika.Message(
        b'{"limit":10}', type="GetAllUsers", correlation_id=correlation_id, reply_to=reply_to, expiration=30
    )
    exchange = await channel.get_exchange("queries", ensure=False)
    await exchange.publish(message, "query", mandatory=True)


def percentile(sent: Sequence[Sent], share: float) -> float:
    """Seconds from due to done, of those that are done; `share` from 0 to 1 (nearest rank). 0 when there are none."""
    ordered = sorted(each.seconds for each in sent if each.done is not None)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
