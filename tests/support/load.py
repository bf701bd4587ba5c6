"""Seeded clients that know nothing of our schemas: commands as any program would publish them, on aio-pika.

A client goes on until the broker has confirmed every message, whatever happens in between: a publish without a
confirm is repeated with the same `message_id`, as section 2 of the contract allows.
"""

import asyncio
import json
import random
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shared.messaging.opening import open_connection

WINDOW = 50  # messages in flight per client


@dataclass(frozen=True)
class Sent:
    """A command as it goes on the wire."""

    message_id: str
    type: str
    body: dict[str, Any]

    @property
    def user_id(self) -> str:
        return str(self.body["user_id"])


@dataclass
class History:
    """What the clients saw: the ids that the broker confirmed, and every outcome that came back, by command id."""

    confirmed: set[str] = field(default_factory=set)
    outcomes: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))


def plan(seed: int, commands: int, users: int, duplicates: float, prefix: str) -> list[Sent]:
    """`commands` different commands over `users` users and, mixed in, that share of them a second time.

    Seed and prefix together determine all of it, the ids too: another prefix makes other commands.
    """
    rng = random.Random(f"{seed} {prefix}")
    planned: list[Sent] = []
    for number in range(commands):
        user_id = f"{prefix}-{rng.randrange(users)}"
        body: dict[str, Any]
        if number < users:
            user_id = f"{prefix}-{number}"
            kind, body = "CreateUser", {"name": f"User {number}", "email": f"{user_id}@example.com"}
        else:
            kind, body = rng.choice(
                [
                    ("RenameUser", {"name": f"Renamed {number}"}),
                    ("UpdateUserEmail", {"new_email": f"{user_id}.{number}@example.com"}),
                    ("UpdateUserEmail", {"new_email": f"{prefix}-{rng.randrange(users)}@EXAMPLE.com"}),
                    ("DeactivateUser", {"reason": "left"}),
                    ("ReactivateUser", {}),
                    ("CreateUser", {"name": "Again", "email": f"{prefix}.{number}@example.com"}),
                ]
            )
        planned.append(Sent(str(uuid.UUID(int=rng.getrandbits(128), version=4)), kind, {"user_id": user_id} | body))
        if rng.random() < duplicates:
            planned.insert(rng.randrange(len(planned) + 1), rng.choice(planned))
    return planned


class LoadClient:
    """Publishes its share with confirms and collects the outcomes on a reply queue of its own."""

    def __init__(self, amqp_url: str, history: History) -> None:
        self._amqp_url = amqp_url
        self._history = history
        self.reply_queue = f"reply.load-{uuid.uuid4()}"

    async def publish(self, commands: Sequence[Sent], deadline: float = 180.0) -> None:
        """Returns when every one is confirmed; raises TimeoutError after `deadline` seconds."""
        left = list(commands)
        async with asyncio.timeout(deadline):
            while left:
                with suppress(Exception):
                    left = await self._session(left)
                if left:
                    await asyncio.sleep(0.3)

    async def _session(self, left: list[Sent]) -> list[Sent]:
        connection = await open_connection(self._amqp_url, timeout=5)
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            queue = await channel.declare_queue(self.reply_queue, durable=True, arguments={"x-expires": 600_000})
            await queue.consume(self._on_outcome)
            exchange = await channel.get_exchange("commands", ensure=False)
            while left:
                window, rest = left[:WINDOW], left[WINDOW:]
                async with asyncio.timeout(10):
                    results = await asyncio.gather(
                        *(self._publish(exchange, command) for command in window), return_exceptions=True
                    )
                unconfirmed = [
                    c for c, result in zip(window, results, strict=True) if isinstance(result, BaseException)
                ]
                left = unconfirmed + rest
                if unconfirmed:
                    break
            return left
        finally:
            with suppress(Exception):
                await connection.close()

    async def _publish(self, exchange: aio_pika.abc.AbstractExchange, command: Sent) -> None:
        message = aio_pika.Message(
            json.dumps(command.body).encode(),
            type=command.type,
            message_id=command.message_id,
            correlation_id=command.message_id,
            reply_to=self.reply_queue,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await exchange.publish(message, routing_key=command.user_id, mandatory=True)
        self._history.confirmed.add(command.message_id)

    async def collect(self, expected: set[str], deadline: float = 120.0) -> None:
        """Reads the reply queue until each of `expected` has an outcome; raises TimeoutError."""
        connection = await open_connection(self._amqp_url, timeout=5)
        async with connection, asyncio.timeout(deadline):
            channel = await connection.channel()
            queue = await channel.get_queue(self.reply_queue, ensure=False)
            await queue.consume(self._on_outcome)
            while expected - self._history.outcomes.keys():
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)  # time for an outcome too many to show up

    async def _on_outcome(self, message: AbstractIncomingMessage) -> None:
        outcome = json.loads(message.body)
        assert message.type == "CommandOutcome"
        assert message.correlation_id == outcome["command_id"]
        self._history.outcomes[outcome["command_id"]].append(outcome)
        # Without acknowledgements, what is on its way when a session ends would be nobody's.
        await message.ack()
