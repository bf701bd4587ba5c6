"""Every fault class by its name."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from tests.chaos.faults.broker_alarm import LIMITS, BrokerAlarm
from tests.chaos.faults.clock_skew import ClockSkew
from tests.chaos.faults.connections_closed import ConnectionsClosed
from tests.chaos.faults.disk_full import DiskFull, LogDiskFull
from tests.chaos.faults.event_stream import EFFECTS as STREAM_EFFECTS
from tests.chaos.faults.event_stream import StreamFault
from tests.chaos.faults.events_unbound import EventsUnbound
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kill_at_point import KillAtPoint
from tests.chaos.faults.kill_service import KillService
from tests.chaos.faults.lost_reply import LostReply
from tests.chaos.faults.network import EFFECTS, Network
from tests.chaos.faults.postgres import BackendsTerminated, ConnectionsExhausted, LongLock
from tests.chaos.faults.queues_deleted import REQUESTS, EmptyQueueDeleted, ProjectionQueuesDeleted, QueuesDeleted
from tests.chaos.faults.server_down import PostgresImmediateRestart, ServerKilled, ServerRestarted
from tests.chaos.faults.step_down import StepDown
from tests.chaos.faults.suspend import Suspend
from tests.chaos.faults.takeover import Takeover
from tests.support.small_disk import why_no_small_disk
from tests.support.wrong_clock import why_no_wrong_clock

Make = Callable[[Random], Fault]
SERVERS = ("rabbitmq", "postgres", "mongo")
EMPTY_QUEUES = {"command": "commands.", "dead-letter": "dead-letters", "status": "projections.command_status"}
"""What is in these can't be had again: kind → what the names of such queues begin with."""
POINTS = {
    "command": ("before-commit", "after-commit", "before-ack", "before-clear"),
    "query": ("before-write", "before-ack"),
}

CATALOGUE: dict[str, Make] = {
    **{f"kill-{service}": partial(KillService, f"kill-{service}", service) for service in POINTS},
    **{
        f"kill-{service}-{point}": partial(KillAtPoint, f"kill-{service}-{point}", service, point)
        for service, points in POINTS.items()
        for point in points
    },
    **{f"suspend-{part}": partial(Suspend, f"suspend-{part}", part) for part in (*POINTS, *SERVERS)},
    **{f"takeover-{service}": partial(Takeover, f"takeover-{service}", service) for service in POINTS},
    **{f"kill-{server}": partial(ServerKilled, f"kill-{server}", server) for server in SERVERS},
    **{f"restart-{server}": partial(ServerRestarted, f"restart-{server}", server) for server in SERVERS},
    "postgres-immediate-restart": partial(PostgresImmediateRestart, "postgres-immediate-restart"),
    "postgres-backends-terminated": partial(BackendsTerminated, "postgres-backends-terminated"),
    "postgres-long-lock": partial(LongLock, "postgres-long-lock"),
    "postgres-connections-exhausted": partial(ConnectionsExhausted, "postgres-connections-exhausted"),
    **{f"clock-skew-{service}": partial(ClockSkew, f"clock-skew-{service}", service) for service in POINTS},
    "disk-full-postgres": partial(DiskFull, "disk-full-postgres", "postgres"),
    "disk-full-postgres-log": partial(LogDiskFull, "disk-full-postgres-log", "postgres"),
    "disk-full-mongo": partial(DiskFull, "disk-full-mongo", "mongo"),
    "mongo-step-down": partial(StepDown, "mongo-step-down"),
    "broker-connections-closed": partial(ConnectionsClosed, "broker-connections-closed"),
    **{f"broker-{alarm}-alarm": partial(BrokerAlarm, f"broker-{alarm}-alarm", alarm) for alarm in LIMITS},
    "broker-events-unbound": partial(EventsUnbound, "broker-events-unbound"),
    "broker-request-queues-deleted": partial(QueuesDeleted, "broker-request-queues-deleted", REQUESTS),
    "broker-queue-deleted": partial(ProjectionQueuesDeleted, "broker-queue-deleted"),
    **{
        f"broker-empty-{kind}-queue-deleted": partial(EmptyQueueDeleted, f"broker-empty-{kind}-queue-deleted", begins)
        for kind, begins in EMPTY_QUEUES.items()
    },
    **{
        f"network-{effect}-{server}": partial(Network, f"network-{effect}-{server}", server, effect)
        for effect in EFFECTS
        for server in SERVERS
    },
    **{
        f"network-lost-reply-{server}": partial(LostReply, f"network-lost-reply-{server}", server) for server in SERVERS
    },
    **{f"stream-{effect}": partial(StreamFault, f"stream-{effect}", effect) for effect in STREAM_EFFECTS},
}

ENDS_LIVES = ("kill-command", "kill-query", "clock-skew-")
"""What the names of the classes begin with after which processes of the services are new ones."""
SMALL_DISKS = "disk-full-"
"""What the names of the classes begin with that need small disks."""
NEEDS: dict[str, Callable[[], str | None]] = {"clock-skew-": why_no_wrong_clock, SMALL_DISKS: why_no_small_disk}
"""Beginning of names → why these can't be made here; None where they can."""


def chosen(names: Sequence[str]) -> dict[str, Make]:
    """Those whose name begins with one of `names`, without those that begin with what follows a `-`; all of CATALOGUE
    where none is named. Raises ValueError where none fits.
    """
    wanted = tuple(name for name in names if not name.startswith("-"))
    unwanted = tuple(name[1:] for name in names if name.startswith("-"))
    for name in (*wanted, *unwanted):
        if not any(each.startswith(name) for each in CATALOGUE):
            raise ValueError(f"there is no fault {name}: choose from {', '.join(CATALOGUE)}")
    among = {each: make for each, make in CATALOGUE.items() if each.startswith(wanted)} if wanted else CATALOGUE
    return {each: make for each, make in among.items() if not each.startswith(unwanted)}


def left_out(faults: Mapping[str, Make]) -> dict[str, str]:
    """Those that can't be made on this machine, each with the reason."""
    missing = {beginning: why for beginning, look in NEEDS.items() if (why := look()) is not None}
    return {name: why for name in faults for beginning, why in missing.items() if name.startswith(beginning)}
