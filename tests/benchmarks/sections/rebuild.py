"""How fast a read model is rebuilt from the log: events per second of `cqrs projection rebuild users`."""

import asyncio
import os
import sys
import time

from deploy.native.client_env import client_env
from deploy.native.layout import ROOT
from tests.benchmarks.preload import preload
from tests.benchmarks.session import Session

PROJECTION = ("-m", "services.ops", "projection")
LIMIT_SECONDS = 600.0


async def rebuild(session: Session) -> None:
    """Both services run meanwhile, with nothing else to do."""
    if session.round >= session.scale.rebuild_rounds:
        return
    if await _cqrs(session, "rebuild", "--help") != 0:
        session.note("rebuild was not measured: there is no `cqrs projection rebuild` yet")
        return
    ours, events = session.ours, session.scale.large
    await ours.reset()
    await preload(ours, events, session.reporter.step)
    await ours.start_queries()
    await ours.start_commands()
    session.reporter.step(f"rebuilding users from {events} events")
    began = time.monotonic()
    if await _cqrs(session, "rebuild", "users") != 0:
        raise RuntimeError("cqrs projection rebuild users failed")
    seconds = time.monotonic() - began
    session.add("rebuild.rate", events / seconds)
    session.reporter.say(f"  rebuild of users: {events / seconds:,.0f} events/s")
    await ours.stop()


async def _cqrs(session: Session, *arguments: str) -> int:
    env = os.environ | client_env(session.servers.layout)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *PROJECTION, *arguments),
        cwd=ROOT,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        return await process.wait()
