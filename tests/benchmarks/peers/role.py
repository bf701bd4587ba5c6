"""How the benchmark runs a peer: `python -m tests.benchmarks.peers.naive ROLE`, with its servers in BENCH_* variables.

Roles: `prepare` (queues and tables), `publish` (commands from stdin, a JSON line each, into the queue with confirms),
`command` and `project` (the two sides at work), `serve` and `ask` (RPC; `ask` prints what it measured).
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Servers:
    """`amqp` names a vhost of the peer's own, `postgres` (for asyncpg) and `mongo` a database of its own."""

    amqp: str
    postgres: str
    mongo: str


@dataclass(frozen=True)
class Command:
    id: str
    type: str
    body: dict[str, Any]


def servers() -> Servers:
    return Servers(os.environ["BENCH_AMQP_URL"], os.environ["BENCH_POSTGRES_URL"], os.environ["BENCH_MONGO_URL"])


def play(roles: Mapping[str, Callable[[Servers], object]]) -> None:
    roles[sys.argv[1]](servers())


def commands_from_stdin() -> Iterator[Command]:
    for line in sys.stdin:
        yield Command(**json.loads(line))
