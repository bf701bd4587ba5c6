"""A run: clients at work, faults one by one and then mixed, and the oracle's verdict at the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

import aiohttp

from deploy.native.stack import NativeStack
from tests.chaos.chaos_stack import World, world_on
from tests.chaos.faults.catalogue import ENDS_LIVES, Make
from tests.chaos.faults.fault import Fault
from tests.chaos.growth import Growth
from tests.chaos.history import History
from tests.chaos.ledger import Ledger, Violation
from tests.chaos.oracle.verdict import QUIET_DEADLINE, verdict
from tests.chaos.oracle.witness import Witness
from tests.chaos.reader import Reader
from tests.chaos.recovery import SERVICES, SILENT, NotRecoveredError, recovered, troubled
from tests.chaos.traffic import Traffic, shared_out, traffic
from tests.chaos.writer import Writer

TAIL_SECONDS = 1.0
SHARE_ALONE = 0.7
"""Of the time; what is left is for faults mixed, also when not every class was hit alone."""
LONG_MINUTES = 25.0
FINISH_SECONDS = 60.0
MIXED = 2
WRITERS, READERS = 3, 2


@dataclass(frozen=True)
class Plan:
    seed: int
    minutes: float
    faults: Mapping[str, Make]
    per_second: float = 60.0
    aggregates: int = 200
    mixed: bool = True
    mutant: str | None = None
    quiet_seconds: float = QUIET_DEADLINE
    """How long work may go on after the clients have ended."""
    rebuild: bool = True
    """Whether the read side is built anew at the end, to compare it with the live one."""


async def run(servers: NativeStack, plan: Plan, history: History) -> Ledger:
    """On servers that run, and that hold nothing yet."""
    prefix = f"chaos-{plan.seed}"
    commands = int(plan.minutes * 60 * plan.per_second * 1.5) + plan.aggregates
    sending = traffic(plan.seed, commands=commands, aggregates=plan.aggregates, prefix=prefix)
    ledger, growth = Ledger(plan.seed), Growth()
    async with world_on(servers, plan.mutant) as world:
        began = time.monotonic()
        try:
            async with clients(world, plan, sending, history):
                await _Schedule(world, plan, history, ledger, growth, began + plan.minutes * 60).run()
        except TimeoutError:
            late = sorted(history.sent.keys() - history.confirmed)
            ledger.violations.append(Violation(f"all is confirmed {FINISH_SECONDS:.0f} s after the end", late))
        ledger.violations += await verdict(
            world.native, sending, history, prefix, deadline=plan.quiet_seconds, rebuild=plan.rebuild
        )
        ledger.seconds = time.monotonic() - began
    ledger.commands = len(history.sent.keys() & sending.commands.keys())
    ledger.poison = len(history.sent.keys() & sending.poison.keys())
    ledger.confirmed = len(history.confirmed)
    ledger.duplicates = history.sent.total() - len(history.sent)
    ledger.answers = history.answers
    ledger.growth = list(growth.table())
    ledger.violations += growth.violations()
    hit = {name for mixed in ledger.recoveries for name in mixed.split(" + ")}
    ledger.not_hit = sorted(plan.faults.keys() - hit)
    return ledger


@asynccontextmanager
async def clients(world: World, plan: Plan, sending: Traffic, history: History) -> AsyncIterator[None]:
    """At work inside the block; at its end what they began is confirmed. Raises TimeoutError when that can't be."""
    url, stop = world.env["CQRS_AMQP_URL"], asyncio.Event()
    per_second = plan.per_second / WRITERS
    shares = shared_out(sending.messages, WRITERS)
    writers = [Writer(url, share, history, per_second=per_second) for share in shares]
    readers = [Reader(url, history, Random(f"reader {plan.seed} {n}")) for n in range(READERS)]
    tasks = [asyncio.create_task(each.run(stop)) for each in writers]
    tasks += [asyncio.create_task(each.run(stop)) for each in readers]
    witness = Witness(world.env["CQRS_POSTGRES_URL"], history, sending.poison.__contains__)
    tasks.append(asyncio.create_task(witness.run(stop)))
    try:
        yield
        stop.set()
        async with asyncio.timeout(FINISH_SECONDS):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _late(fault: Fault) -> tuple[bool, bool]:
    """First in, last out: the detour of a stream, and what else takes servers that work."""
    return fault.target != "stream", not fault.needs_servers


class _Schedule:
    def __init__(self, world: World, plan: Plan, history: History, ledger: Ledger, growth: Growth, ends: float) -> None:
        self._world = world
        self._plan = plan
        self._history = history
        self._ledger = ledger
        self._growth = growth
        self._ends = ends
        self._rng = Random(f"schedule {plan.seed}")
        self._struck: set[str] = set()

    async def run(self) -> None:
        """Every class alone, in an order of the seed's, then mixtures. In a long run classes that end processes come
        first: so there are lives that are long enough to see whether they grow.

        Ends early when the system doesn't recover, or a fault can't be made: a process has died by itself, say.
        """
        await recovered(self._world, self._history)
        names = list(self._plan.faults)
        self._rng.shuffle(names)
        if self._plan.minutes >= LONG_MINUTES:
            names.sort(key=lambda name: not name.startswith(ENDS_LIVES))
        mixed_from = time.monotonic() + (self._ends - time.monotonic()) * (SHARE_ALONE if self._plan.mixed else 1)
        try:
            for name in names:
                if time.monotonic() > mixed_from:
                    break
                self._struck.add(name)
                await self._together([self._plan.faults[name](self._rng)])
            while self._plan.mixed and time.monotonic() < self._ends:
                await self._together(self._mixture())
        except NotRecoveredError as error:
            self._ledger.violations.append(Violation("everything works again after a fault", [str(error)]))
        except Exception as error:
            self._ledger.violations.append(Violation("every fault can be made and undone", [repr(error)]))

    def _mixture(self) -> list[Fault]:
        """Faults of different targets, such first as did not strike yet. Those of services go first, for the
        first is healed last: with its servers back.
        """
        chosen: dict[str, Fault] = {}
        names = list(self._plan.faults)
        for name in sorted(self._rng.sample(names, len(names)), key=self._struck.__contains__):
            fault = self._plan.faults[name](self._rng)
            chosen.setdefault(fault.target, fault)
            if len(chosen) == MIXED:
                break
        self._struck |= {fault.name for fault in chosen.values()}
        return sorted(chosen.values(), key=lambda fault: fault.target not in SERVICES)

    async def _together(self, faults: Sequence[Fault]) -> None:
        async with AsyncExitStack() as healing:
            for fault in sorted(faults, key=_late):
                self._history.note("fault", name=fault.name, seconds=round(fault.seconds, 1))
                await fault.inject(self._world)
                healing.push_async_callback(fault.heal, self._world)
            await self._hold(faults)
        name = " + ".join(sorted(fault.name for fault in faults))
        self._history.note("healed", name=name)
        try:
            seconds, late = await recovered(self._world, self._history)
            works_since = time.monotonic()
            for fault in faults:
                if (came_of_it := await fault.answer(self._world)) is not None:
                    self._history.note("answered", name=fault.name, came_of_it=came_of_it)
            seconds += time.monotonic() - works_since
        except NotRecoveredError as error:
            raise NotRecoveredError(f"{name}: {error}") from None
        self._history.note("recovered", name=name, seconds=round(seconds, 2))
        self._ledger.recoveries[name].append(seconds)
        if late:
            self._ledger.violations.append(Violation("consumers are back within 15 s", [f"{name}: {late}"]))
        await asyncio.sleep(TAIL_SECONDS)
        await self._growth.look(self._world, self._history)

    async def _hold(self, faults: Sequence[Fault]) -> None:
        """For as long as the longest lasts; those that have nothing to do with it must stay ready."""
        bystanders = set(SERVICES).difference(*(fault.unready for fault in faults))
        urls = [url for service in bystanders for url in self._world.stack.http_urls(service)]
        said: dict[str, str] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(max(fault.seconds for fault in faults)), aiohttp.ClientSession() as session:
                while True:
                    now = await troubled(self._world, session, "readyz")
                    said |= {url: now[url] for url in urls if now.get(url, SILENT) != SILENT}
                    await asyncio.sleep(1)
        name = " + ".join(fault.name for fault in faults)
        if said:
            shown = [f"{name}: {url}: {text}" for url, text in said.items()]
            self._ledger.violations.append(Violation("who has nothing to do with a fault stays ready", shown))
