"""Drains of creates and of updates, ours and the peers'."""

import os

from tests.benchmarks.commands import creates, updates
from tests.benchmarks.drain import Drained, drain
from tests.benchmarks.session import Session
from tests.benchmarks.system import System

WITH_UPDATES = ("ours", "naive")


async def drains(session: Session) -> None:
    peers = [session.peers[name] for name in ("naive", "faststream", "celery", "taskiq")]
    for system in session.rotated(session.ours, *peers):
        await _drain(session, system)
        await system.stop()


async def _drain(session: Session, system: System) -> None:
    await system.reset()
    count = session.scale.commands if system is session.ours else session.scale.peer_commands
    commands = creates(count, session.label("drain"))
    done = await drain(system, commands, session.reporter.step)
    keep(session, "drain_creates", done)
    if system is session.ours:
        session.add("drain.cpu_bound", cpu_bound_share(done, len(os.sched_getaffinity(0))))
    if system.name in WITH_UPDATES:
        keep(session, "drain_updates", await drain(system, updates(commands), session.reporter.step))


def keep(session: Session, what: str, done: Drained) -> None:
    session.add(f"{what}.{done.system}.rate", done.rate)
    session.add(f"{what}.{done.system}.cpu_ms", done.total_cpu_ms)
    for process, cpu_ms in done.cpu_ms.items():
        session.add(f"{what}.{done.system}.cpu_ms.{process}", cpu_ms)
    session.reporter.say(
        f"  {what} {done.system}: {done.rate:,.0f}/s ({done.commands} in {done.seconds:.1f} s, "
        f"{done.total_cpu_ms:.2f} ms of CPU each)"
    )


def cpu_bound_share(done: Drained, cores: int) -> float:
    """How near the rate is to what the cores would allow if nothing ever waited."""
    return done.rate / (cores * 1000 / done.total_cpu_ms)
