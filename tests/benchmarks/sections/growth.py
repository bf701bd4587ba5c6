"""Drains of creates and updates mixed, with few users there before and with many."""

import asyncio
from dataclasses import dataclass
from random import Random

from tests.benchmarks.commands import Command, creates, update_of
from tests.benchmarks.drain import drain
from tests.benchmarks.preload import preload, user_id
from tests.benchmarks.session import Session


async def growth(session: Session) -> None:
    """There and back in each round, so that a machine that grows slower or faster meanwhile favours neither.

    The many are made once, in databases of their own, and stay for all rounds. Before each drain mongod is started
    again, and all that is there is read into the servers' caches: what was inserted a moment ago lies in its cache in
    another shape than what has been there for long, and other sections have pushed out some of it. Then updates
    warm up, of others among many users, of all among few: PostgreSQL writes each page that is changed for the first
    time after a checkpoint as a whole into its log, once in a quarter of an hour; right after one that would be with
    nearly every command.
    """
    names = ["few", "many"] if session.round % 2 == 0 else ["many", "few"]
    for turn, order in enumerate((names, names[::-1])):
        for name in order:
            await _drain(session, name, 2 * session.round + turn)


async def _drain(session: Session, name: str, number: int) -> None:
    """`number` counts those of that name."""
    system = {"few": session.ours, "many": session.ours_with_many}[name]
    users = {"few": session.scale.few_users, "many": session.scale.many_users}[name]
    work = mixed(session.scale.commands, users, number, session.label(f"{name}{number}"))
    await session.quiet()
    if work.anew:
        session.reporter.step(f"preloading {users} users")
        await system.reset()
        await preload(system, users, session.reporter.step)
    session.reporter.step(f"reading {users} users into the caches")
    await system.stores.settle()
    await asyncio.to_thread(session.servers.stop, ["mongo"])
    await asyncio.to_thread(session.servers.start, "mongo")
    await system.stores.warm()
    await drain(system, work.warm_up, session.reporter.step)
    done = await drain(system, work.measured, session.reporter.step)
    session.add(f"growth.{name}.rate", done.rate)
    for process, cpu_ms in done.cpu_ms.items():
        session.add(f"growth.{name}.cpu_ms.{process}", cpu_ms)
    session.reporter.say(f"  with {users} users: {done.rate:,.0f}/s, {done.total_cpu_ms:.2f} ms of CPU each")
    await system.stop()


@dataclass(frozen=True)
class Mixed:
    """`anew`: all users have been updated by now, and are to be made anew."""

    anew: bool
    warm_up: list[Command]
    measured: list[Command]


def mixed(count: int, users: int, number: int, label: str) -> Mixed:
    """To be measured: one create, one update of a user who was there before, and so on. To warm up: updates alone, so
    that users are as many as before.

    Each `number` takes other users, and its warm-up others again. Where there are too few for that all are updated
    twice first.
    """
    numbers = list(range(users))
    Random("growth").shuffle(numbers)
    half = min(count // 2, users)
    shares = users // (3 * half)
    if shares:
        start = number % shares * 3 * half
        updated = [update_of(user_id(one), 1) for one in numbers[start : start + half]]
        warm_up = [update_of(user_id(one), 1) for one in numbers[start + half : start + 3 * half]]
    else:
        updated = [update_of(user_id(one), 3) for one in numbers[:half]]
        warm_up = [update_of(user_id(one), version) for version in (1, 2) for one in numbers[:half]]
    new = creates(count - half, label)
    together = [each for pair in zip(new, updated, strict=False) for each in pair]
    return Mixed(number % max(1, shares) == 0, warm_up, together + new[half:])
