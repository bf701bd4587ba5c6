"""Drains of creates and updates mixed, with few users there before and with many."""

import asyncio
from random import Random

from tests.benchmarks.commands import Command, creates, update_of
from tests.benchmarks.drain import drain
from tests.benchmarks.preload import preload, user_id
from tests.benchmarks.session import Session


async def growth(session: Session) -> None:
    """There and back in each round, so that a machine that grows slower or faster meanwhile favours neither.

    The many are made once, in databases of their own, and stay for all rounds. Before each drain mongod is started
    again, and all that is there is read into the servers' caches: what was inserted a moment ago lies in its cache in
    another shape than what has been there for long, and other sections have pushed out some of it.
    """
    names = ["few", "many"] if session.round % 2 == 0 else ["many", "few"]
    for turn, order in enumerate((names, names[::-1])):
        for name in order:
            await _drain(session, name, 2 * session.round + turn)


async def _drain(session: Session, name: str, number: int) -> None:
    """`number` counts those of that name."""
    system = {"few": session.ours, "many": session.ours_with_many}[name]
    users = {"few": session.scale.few_users, "many": session.scale.many_users}[name]
    await session.quiet()
    if name == "few" or number == 0:
        session.reporter.step(f"preloading {users} users")
        await system.reset()
        await preload(system, users, session.reporter.step)
    session.reporter.step(f"reading {users} users into the caches")
    await system.stores.settle()
    await asyncio.to_thread(session.servers.stop, ["mongo"])
    await asyncio.to_thread(session.servers.start, "mongo")
    await system.stores.warm()
    commands = mixed(session.scale.commands, users, number, session.label(f"{name}{number}"))
    done = await drain(system, commands, session.reporter.step)
    session.add(f"growth.{name}.rate", done.rate)
    for process, cpu_ms in done.cpu_ms.items():
        session.add(f"growth.{name}.cpu_ms.{process}", cpu_ms)
    session.reporter.say(f"  with {users} users: {done.rate:,.0f}/s, {done.total_cpu_ms:.2f} ms of CPU each")
    await system.stop()


def mixed(count: int, users: int, number: int, label: str) -> list[Command]:
    """One create, one update of a user who was there before and stands at version 1, and so on.

    Each `number` takes other users: those who are made once are not made anew.
    """
    numbers = list(range(users))
    Random("growth").shuffle(numbers)
    half = min(count // 2, users)
    start = number * half if (number + 1) * half <= users else 0
    new = creates(count - half, label)
    changed = [update_of(user_id(number), 1) for number in numbers[start : start + half]]
    together = [each for pair in zip(new, changed, strict=False) for each in pair]
    return together + new[half:]
