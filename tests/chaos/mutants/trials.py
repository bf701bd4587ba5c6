"""Where each mutant is tried: the faults and the traffic that bring its mistake to light, and the promise it breaks."""

from collections.abc import Mapping
from dataclasses import dataclass

READ_SIDE = "the read side knows what became of each command"
FOLD = "read model users is the fold of the log"
ENTRIES = "user_history has an entry for each event of the log"
COUNTERS = "signup_stats counts each event once"
OUTCOME = "every confirmed command has an outcome"
QUIET = "outbox and queues are empty, nothing is unacknowledged"


@dataclass(frozen=True)
class Arena:
    """`faults` strike one by one, in an order of the seed's; the same name may come more than once."""

    faults: tuple[str, ...]
    per_second: float = 150.0
    aggregates: int = 40
    replicas: int = 1
    """Processes of each service."""


@dataclass(frozen=True)
class Trial:
    """A mutant counts as caught when one of `promises` is found broken; anything else may break beside it."""

    arena: str
    promises: frozenset[str]


ARENAS: Mapping[str, Arena] = {
    "calm": Arena(("calm",), per_second=200, aggregates=10),
    "failing broker": Arena(("network-cut-rabbitmq", "kill-rabbitmq", "network-half-open-rabbitmq")),
    "unruly stream": Arena(("stream-duplicates", "stream-reordered")),
    "dying command service": Arena(("kill-command", "kill-command", "kill-command")),
    "dying query service": Arena(("kill-query", "kill-query-before-write", "kill-query")),
    "slow PostgreSQL": Arena(("network-latency-postgres",)),
    "unbound events": Arena(("broker-events-unbound",)),
}

TRIALS: Mapping[str, Trial] = {
    "no-inbox": Trial(
        "calm", frozenset({"the log is the accepted commands", "every outcome that a client got is the only one"})
    ),
    "task-per-message": Trial("calm", frozenset({"commands of an aggregate are applied in the order they were sent"})),
    "cleared-before-confirm": Trial("failing broker", frozenset({READ_SIDE, FOLD})),
    "publish-without-confirms": Trial("failing broker", frozenset({READ_SIDE, FOLD})),
    "no-version-guard": Trial("unruly stream", frozenset({FOLD, COUNTERS})),
    "gap-ignored": Trial("unruly stream", frozenset({FOLD, ENTRIES})),
    "ack-before-commit": Trial("dying command service", frozenset({OUTCOME})),
    "projector-acks-first": Trial("dying query service", frozenset({READ_SIDE, FOLD})),
    "reply-before-commit": Trial("slow PostgreSQL", frozenset({"an outcome is told only once it is safe"})),
    "last-id-cursor": Trial("slow PostgreSQL", frozenset({QUIET, READ_SIDE, FOLD})),
    "mandatory-off": Trial("unbound events", frozenset({READ_SIDE, FOLD})),
    "poison-dropped": Trial("calm", frozenset({"dead letters are the poison, each with its reason"})),
}
