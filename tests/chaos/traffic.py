"""Everything that the clients of a run will send, from its seed: commands, duplicates of them, and poison."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

from tests.support.load import Sent, plan

DUPLICATES = 0.05
POISON = 0.01


@dataclass(frozen=True)
class Wire:
    """A message as it is published; `reason` is that of the dead letter which a poisonous one must become."""

    message_id: str
    type: str
    key: str
    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Traffic:
    commands: dict[str, Sent]
    poison: dict[str, str]
    """Message id → reason of its dead letter."""
    messages: list[Wire]


def traffic(seed: int, *, commands: int, aggregates: int, prefix: str) -> Traffic:
    planned = plan(seed, commands, aggregates, DUPLICATES, prefix)
    messages = list(_with_poison(planned, Random(f"poison {seed} {prefix}"), prefix))
    return Traffic(
        commands={command.message_id: command for command in planned},
        poison={message.message_id: message.reason for message in messages if message.reason},
        messages=messages,
    )


def shared_out(messages: Sequence[Wire], clients: int) -> list[list[Wire]]:
    """One client sends all that is for a user, and in this order: it is his order that must be kept."""
    shares: list[list[Wire]] = [[] for _ in range(clients)]
    for message in messages:
        shares[crc32(message.key.encode()) % clients].append(message)
    return shares


def _with_poison(planned: list[Sent], rng: Random, prefix: str) -> Iterator[Wire]:
    for command in planned:
        yield Wire(command.message_id, command.type, command.user_id, json.dumps(command.body).encode())
        if rng.random() < POISON:
            yield _poison(rng, f"{prefix}-poison-{rng.getrandbits(32):08x}")


def _poison(rng: Random, key: str) -> Wire:
    message_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    good = json.dumps({"user_id": key, "name": "Poison", "email": f"{key}@example.com"}).encode()
    return rng.choice(
        [
            Wire(message_id, "CreateUser", key, b"not json", reason="invalid_message"),
            Wire(message_id, "CreateUser", key, b'{"user_id": 1}', reason="invalid_message"),
            Wire(message_id, "CreateUser", key, b"\xff\xfe{", reason="invalid_message"),
            Wire(message_id, "PromoteUser", key, good, reason="unknown_type"),
            Wire(message_id, "CreateUser", key, good, headers={"schema-version": 99}, reason="unsupported_version"),
        ]
    )
