"""Resident memory of each process, and the rate, at the end of a small and of a large backlog."""

from tests.benchmarks.commands import creates
from tests.benchmarks.drain import drain
from tests.benchmarks.session import Session


async def memory(session: Session) -> None:
    sizes = {"small": session.scale.commands, "large": session.scale.large}
    for name in sorted(sizes, reverse=bool(session.round % 2)):
        await session.ours.reset()
        done = await drain(session.ours, creates(sizes[name], session.label(name)), session.reporter.step)
        session.add(f"memory.{name}.rate", done.rate)
        for service in ("command", "query"):
            session.add(f"memory.{name}.{service}_mb", done.rss_mb[service])
        session.reporter.say(
            f"  backlog of {done.commands}: {done.rate:,.0f}/s, command {done.rss_mb['command']:.0f} MB, "
            f"query {done.rss_mb['query']:.0f} MB"
        )
    await session.ours.stop()
