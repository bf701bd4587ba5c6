"""The broker's exchanges, queues, bindings, policies and rights, as data. Valid from RabbitMQ 3.10 to 4.3.

Queue arguments can't change later, so a queue's type and single active consumer are all that stands in them; the rest
is policy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

COMMANDS: Final = "commands"
COMMAND_PARTITIONS: Final = "commands.partitions"
QUERIES: Final = "queries"
EVENTS: Final = "events"
OUTCOMES: Final = "outcomes"
EVENT_LOG: Final = "event-log"
PROJECTION_CONTROL: Final = "projection-control"
DEAD_LETTERS: Final = "dead-letters"
QUERY_KEY: Final = "query"
EVENT_LOG_KEY: Final = "event-log"
PROJECTION_CONTROL_KEY: Final = "projection-control"
DEFAULT_PARTITIONS: Final = 8
DEFAULT_EXCHANGE: Final = ""

_WORK: Final = re.compile(r"commands\.\d+|projections\..+")

Arguments = Mapping[str, str | int | bool]
NO_ARGUMENTS: Arguments = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: Literal["direct", "topic", "x-consistent-hash", "x-modulus-hash"]


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    type: Literal["classic", "quorum"] = "quorum"
    single_active_consumer: bool = False

    @property
    def arguments(self) -> Arguments:
        arguments: dict[str, str | int | bool] = {"x-queue-type": self.type}
        if self.single_active_consumer:
            arguments["x-single-active-consumer"] = True
        return arguments


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    queue: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class ExchangeBinding:
    """What `source` gets goes on to the exchange `destination`."""

    source: str
    destination: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    pattern: str
    definition: Arguments


@dataclass(frozen=True, slots=True)
class Permission:
    """What a user may do: a regular expression over names of queues and exchanges each.

    <https://www.rabbitmq.com/docs/access-control>. An `impersonator` may publish in the name of others: the broker lets
    him set any `user_id` (<https://www.rabbitmq.com/docs/validated-user-id>).
    """

    user: str
    configure: str
    write: str
    read: str
    impersonator: bool = False


@dataclass(frozen=True, slots=True)
class ProjectionQueue:
    """The queue of one read model: `projections.<name>`, fed by (exchange, routing key) pairs, and no longer by those
    that are retired.
    """

    name: str
    sources: tuple[tuple[str, str], ...]
    retired_sources: tuple[tuple[str, str], ...] = ()

    @property
    def queue(self) -> str:
        return projection_queue(self.name)


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    exchange_bindings: tuple[ExchangeBinding, ...] = ()
    retired_bindings: tuple[Binding, ...] = ()
    """Those of earlier versions, which are undone."""
    policies: tuple[Policy, ...] = ()
    permissions: tuple[Permission, ...] = field(default=())


def commands_queue(partition: int) -> str:
    """The queue of one partition of `commands`: 0 … partitions - 1."""
    return f"{COMMANDS}.{partition}"


def commands_queues(partitions: int = DEFAULT_PARTITIONS) -> tuple[str, ...]:
    return tuple(commands_queue(partition) for partition in range(partitions))


def projection_queue(name: str) -> str:
    return f"projections.{name}"


def declared(queue: str) -> Queue | None:
    """How the queue of this name is declared; None for one that is not the services' own."""
    if _WORK.fullmatch(queue):
        return Queue(queue, single_active_consumer=True)
    if queue in (QUERIES, EVENT_LOG, PROJECTION_CONTROL):
        return Queue(queue, "classic")
    return Queue(queue) if queue == DEAD_LETTERS else None


def topology(*, partitions: int = DEFAULT_PARTITIONS, projections: Sequence[ProjectionQueue] = ()) -> Topology:
    """Everything that the services need of the broker; `projections` are the read side's to name."""
    return Topology(
        exchanges=(
            Exchange(COMMANDS, "x-consistent-hash"),
            Exchange(COMMAND_PARTITIONS, "x-modulus-hash"),
            Exchange(QUERIES, "direct"),
            Exchange(EVENTS, "topic"),
            Exchange(OUTCOMES, "topic"),
            Exchange(EVENT_LOG, "direct"),
            Exchange(PROJECTION_CONTROL, "direct"),
            Exchange(DEAD_LETTERS, "topic"),
        ),
        queues=tuple(
            _ours(queue)
            for queue in (
                *commands_queues(partitions),
                *(projection.queue for projection in projections),
                QUERIES,
                EVENT_LOG,
                PROJECTION_CONTROL,
                DEAD_LETTERS,
            )
        ),
        bindings=(
            *(Binding(COMMAND_PARTITIONS, queue, "") for queue in commands_queues(partitions)),
            *(
                Binding(exchange, projection.queue, key)
                for projection in projections
                for exchange, key in projection.sources
            ),
            Binding(QUERIES, QUERIES, QUERY_KEY),
            Binding(EVENT_LOG, EVENT_LOG, EVENT_LOG_KEY),
            Binding(PROJECTION_CONTROL, PROJECTION_CONTROL, PROJECTION_CONTROL_KEY),
            Binding(DEAD_LETTERS, DEAD_LETTERS, "#"),
        ),
        # A consistent hash numbers its queues in the order in which they were bound, and a broker that keeps its
        # metadata in Mnesia binds them again at each start, several at a time: after a restart most aggregates are in
        # another queue, where their commands overtake those that wait in the old one. With one destination nothing can
        # change places, and a modulus hash goes by the queues' names. (A binding's key is its weight there.)
        exchange_bindings=(ExchangeBinding(COMMANDS, COMMAND_PARTITIONS, "1"),),
        retired_bindings=(
            *(Binding(COMMANDS, queue, "1") for queue in commands_queues(partitions)),
            *(
                Binding(exchange, projection.queue, key)
                for projection in projections
                for exchange, key in projection.retired_sources
            ),
        ),
        policies=POLICIES,
        permissions=PERMISSIONS,
    )


def _ours(name: str) -> Queue:
    queue = declared(name)
    assert queue is not None, name  # noqa: S101 - a name that is made here and not known here
    return queue


POLICIES: Final = (
    Policy(
        "work",
        rf"^({_WORK.pattern})$",
        {
            "dead-letter-exchange": DEAD_LETTERS,
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            # 4.x has a default of 20 and 3.10 none. A message comes back when a service dies or the connection is cut,
            # which is not its fault: the services count attempts themselves, and this is the back-stop.
            "delivery-limit": 1000,
        },
    ),
    Policy("dead-letters", r"^dead-letters$", {"delivery-limit": 1_000_000}),
    Policy(
        "requests",
        r"^(queries|event-log|projection-control)$",
        {"message-ttl": 60_000, "max-length": 100_000, "overflow": "reject-publish"},
    ),
)

# To consume from a queue is to be able to empty it; a service may configure just those queues as well, because only who
# may declare a queue is told by the broker that it has other arguments.
_COMMAND_QUEUES = r"commands\.\d+|event-log|dead-letters"
_QUERY_QUEUES = r"queries|projection-control|projections\..+"
_CLIENT_QUEUES = r"(reply|subscriber)\..+|amq\.gen.*"

PERMISSIONS: Final = (
    Permission(
        "command",
        configure=rf"^({_COMMAND_QUEUES})$",
        write=r"^(events|outcomes|dead-letters|amq\.default)$",
        read=rf"^({_COMMAND_QUEUES})$",
    ),
    Permission(
        "query",
        configure=rf"^({_QUERY_QUEUES})$",
        write=r"^(event-log|dead-letters|amq\.default)$",
        read=rf"^({_QUERY_QUEUES})$",
    ),
    Permission(
        "client",
        configure=rf"^({_CLIENT_QUEUES})$",
        write=rf"^(commands|queries|{_CLIENT_QUEUES})$",
        read=rf"^(events|{_CLIENT_QUEUES})$",
    ),
    Permission(
        "ops",
        configure=rf"^({_CLIENT_QUEUES})$",
        # The default exchange is for dead letters that only one queue may see again.
        write=rf"^(commands|queries|projection-control|amq\.default|{_CLIENT_QUEUES})$",
        read=rf"^(events|outcomes|dead-letters|{_CLIENT_QUEUES})$",
        impersonator=True,  # a command that is redriven is still the command of whoever sent it
    ),
)
