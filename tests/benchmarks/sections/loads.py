"""Steady loads: how long until an effect is visible, and what a command costs. `latency` and `cpu` share them."""

import math
from collections.abc import Awaitable, Callable

from deploy.native.client_env import client_env
from tests.benchmarks.commands import Command
from tests.benchmarks.load import under_load
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.session import Session
from tests.benchmarks.system import Publishing
from tests.support.ask import Asker

RATES = (200, 1000, 2000)
NAIVE_RATE = 100


async def latency(session: Session) -> None:
    if session.round % 2:
        await _load(session, session.peers["naive"], (NAIVE_RATE,))
        await cpu(session)
    else:
        await cpu(session)
        await _load(session, session.peers["naive"], (NAIVE_RATE,))


async def cpu(session: Session) -> None:
    """Ours only; once in a round."""
    if len(session.samples[f"cpu.ours.{RATES[0]}.ms"]) <= session.round:
        await _ours(session)


async def _ours(session: Session) -> None:
    """Beside the measurement that the naive one has, a few commands are asked for by a query with their token."""
    async with Asker(client_env(session.servers.layout)["CQRS_AMQP_URL"]) as asker:

        async def ask(command: Command) -> None:
            headers = {"consistency-token": f"user/{command.user_id}@{command.version}", "max-wait-ms": 30_000}
            await asker.ask("GetUserById", timeout=60, headers=headers, user_id=command.user_id)

        await _load(session, session.ours, RATES, ask)


async def _load(
    session: Session,
    system: Publishing,
    rates: tuple[int, ...],
    ask: Callable[[Command], Awaitable[None]] | None = None,
) -> None:
    await system.reset()
    await system.stores.settle()  # what drains have left to be written is not this load's
    await system.start_queries()
    await system.start_commands()
    for rate in rates:
        session.reporter.step(f"{system.name}: {rate}/s")
        loaded = await under_load(system, rate, session.scale.load_seconds, session.label(f"load{rate}"), ask)
        for name, percent in {"p50": 50.0, "p99": 99.0}.items() if loaded.by_query_ms else ():
            session.add(f"answered.{system.name}.{rate}.{name}_ms", percentile(loaded.by_query_ms, percent))
        # A peer that falls behind would make ours look good.
        says_something = loaded.kept_up or system is session.ours
        for name, percent in {"p50": 50.0, "p99": 99.0, "p999": 99.9}.items():
            value = loaded.percentile(percent) if says_something else math.nan
            session.add(f"visible.{system.name}.{rate}.{name}_ms", value)
        total = sum(loaded.cpu_ms.values())
        session.add(f"cpu.{system.name}.{rate}.ms", total)
        for process, cpu_ms in loaded.cpu_ms.items():
            session.add(f"cpu.{system.name}.{rate}.ms.{process}", cpu_ms)
        if not loaded.kept_up:
            means = "it counts all the same" if says_something else "what was measured there says nothing"
            session.note(f"round {session.round + 1}: {system.name} did not keep up with {rate}/s: {means}")
        if loaded.missing:
            late = f"{loaded.missing} commands were not visible after half a minute"
            session.note(f"round {session.round + 1}: {system.name} at {rate}/s: {late}")
        session.reporter.say(
            f"  {system.name} at {rate}/s: visible after p50 {loaded.percentile(50):.1f}, "
            f"p99 {loaded.percentile(99):.1f}, p99.9 {loaded.percentile(99.9):.1f} ms; {total:.2f} ms of CPU each"
        )
    await system.stop()
