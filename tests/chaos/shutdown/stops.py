"""SIGTERM to one process after the other while clients are at work."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from deploy.native.client_env import client_env
from deploy.native.layout import Layout
from deploy.native.part import Part
from deploy.native.stack import SERVICES, NativeStack
from tests.chaos.chaos_stack import ChaosStack, World
from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.oracle.verdict import verdict
from tests.chaos.run import Plan, clients
from tests.chaos.shutdown.observations import Observation, done_twice, observations
from tests.chaos.traffic import Traffic, Wire, traffic
from tests.support.signals import wait_until_caught
from tests.support.stack import servers_admin_urls, services_on

GRACE_SECONDS = 25.0
"""The services' own 20 s to drain, and what it takes to be told and to end."""
REPLICAS = 2
"""In turn, so that the one which is told to stop is always the one that holds the partitions."""
SECONDS_A_STOP = 25.0
"""Work for as long as that is planned; what is left over is not sent."""
PER_SECOND = 80.0


@dataclass(frozen=True)
class Stop:
    part: str
    starting: bool
    """Told while it started, or else while it worked."""
    seconds: float
    exit_code: int


@dataclass
class Stops:
    made: list[Stop] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    confirmed: int = 0


async def stop_many_times(servers: NativeStack, history: History, *, times: int, seed: int) -> Stops:
    """On servers that run, and that hold nothing yet. Both services at the same time; half of the stops are each's."""
    stops, prefix = Stops(), f"stop-{seed}"
    plan = Plan(seed, times * SECONDS_A_STOP / 60, {}, per_second=PER_SECOND, aggregates=500)
    sending = each_once(traffic(seed, commands=int(plan.minutes * 60 * PER_SECOND), aggregates=500, prefix=prefix))
    with tempfile.TemporaryDirectory() as folder, observed_world(servers, Path(folder)) as world:
        async with clients(world, plan, sending, history):
            await asyncio.gather(
                stop_in_turn(world, "command", times - times // 2, stops, Random(f"command {seed}")),
                stop_in_turn(world, "query", times // 2, stops, Random(f"query {seed}")),
            )
        stops.violations = await verdict(world.native, sending, history, prefix, rebuild=False)
        stops.seen = observations(Path(folder))
    stops.confirmed = len(history.confirmed)
    stops.violations += broken(stops)
    return stops


async def stop_in_turn(world: World, service: str, times: int, stops: Stops, rng: Random) -> None:
    """Every fifth that is started again is told to stop once more, while it starts; that one is not of the `times`."""
    for number in range(times):
        part = f"{service}-{number % REPLICAS + 1}"
        await asyncio.sleep(rng.uniform(0.5, 2))
        stops.made.append(await told_to_stop(world, part, starting=False))
        if number % 5 == 4:
            await begun(world, part)
            await asyncio.sleep(rng.uniform(0, 3))
            stops.made.append(await told_to_stop(world, part, starting=True))
        await asyncio.to_thread(world.stack.start, part)


async def begun(world: World, part: str) -> None:
    """Started as far as its first line."""
    await asyncio.to_thread(world.stack.start, part, wait=False)
    pid = world.native.pid(part)
    assert pid is not None
    await asyncio.to_thread(wait_until_caught, pid)


def broken(stops: Stops) -> Iterator[Violation]:
    failed = [f"{stop.part}: {stop.exit_code}" for stop in stops.made if stop.exit_code != 0]
    late = [f"{stop.part}: {stop.seconds:.1f} s" for stop in stops.made if stop.seconds > GRACE_SECONDS]
    for promise, shown in (
        ("who is told to stop exits with 0", failed),
        (f"who is told to stop has drained within {GRACE_SECONDS:.0f} s", late),
        ("what was acknowledged is not delivered again", list(done_twice(stops.seen))),
    ):
        if shown:
            yield Violation(promise, shown)


async def told_to_stop(world: World, part: str, *, starting: bool) -> Stop:
    began = time.monotonic()
    code = await asyncio.to_thread(world.stack.terminate, part)
    return Stop(part, starting, time.monotonic() - began, code)


def each_once(sending: Traffic) -> Traffic:
    """Without poison and without repetitions: every dead letter, and all that is done twice, is the services' fault."""
    once: dict[str, Wire] = {one.message_id: one for one in sending.messages if one.reason is None}
    return Traffic(sending.commands, {}, list(once.values()))


class ObservedStack(ChaosStack):
    def __init__(self, layout: Layout, folder: Path) -> None:
        super().__init__(layout, {})
        self._folder = folder

    def _part(self, name: str) -> Part:
        part = super()._part(name)
        service = name.partition("-")[0]
        if service not in SERVICES:
            return part
        argv = [part.argv[0], "-m", "tests.chaos.shutdown.observed_service", service]
        return replace(part, argv=argv, env={**part.env, "CHAOS_OBSERVED": str(self._folder)})


@contextmanager
def observed_world(servers: NativeStack, folder: Path) -> Iterator[World]:
    native = ObservedStack(servers.layout, folder)
    with services_on(native) as running:
        yield World(native, running, {}, servers_admin_urls(native), client_env(native.layout))
