"""`python -m tests.scale`: rebuilds `users` from a long log, idle and under traffic, and breaks it off halfway."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pymongo import AsyncMongoClient

from deploy.native.client_env import client_env
from deploy.native.layout import ROOT
from deploy.native.stack import NativeStack
from tests.benchmarks.usage import Usage, usage
from tests.scale.expected import wrong_users
from tests.scale.log_filling import fill_log
from tests.scale.traffic import Traffic
from tests.support.stack import own_servers, servers_admin_urls

DATABASE = "cqrs"
PARTS = ("rabbitmq", "postgres", "mongo", "command-1", "query-1", "query-2")
PHASE_SECONDS = 0.1
Document = dict[str, Any]


def main() -> int:
    """0 when everything was as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--per-second", type=int, default=200, help="commands, and as many queries")
    parser.add_argument("--times", type=int, default=1, help="that it is rebuilt under traffic, before it is killed")
    given = parser.parse_args()
    with own_servers(query_replicas=2) as servers:
        return asyncio.run(_run(servers, given.events, given.per_second, given.times))


@dataclass
class Watch:
    """How a rebuild went: when each phase began, what the processes had used by then, and the largest memory of any
    query process.
    """

    phases: dict[str, float] = field(default_factory=dict)
    used: dict[str, Usage] = field(default_factory=dict)
    peak_mb: float = 0.0


class Scale:
    def __init__(self, servers: NativeStack, mongo: AsyncMongoClient[Document]) -> None:
        self.native = servers
        self.mongo = mongo
        self.env: Mapping[str, str] = client_env(servers.layout)
        self.postgres_url = f"{servers_admin_urls(servers).postgres.rpartition('/')[0]}/{DATABASE}"
        self.failures: list[str] = []

    def check(self, what: str, *, holds: bool) -> None:
        say(f"{'ok  ' if holds else 'FAIL'} {what}")
        if not holds:
            self.failures.append(what)

    async def cqrs(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.ops", "projection", *arguments, "--json"),
            cwd=ROOT,
            env=os.environ | dict(self.env),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def result(self, *arguments: str) -> Document:
        process = await self.cqrs(*arguments)
        out, _ = await process.communicate()
        return json.loads(out) if out.strip() else {"state": f"exit code {process.returncode}"}

    async def job(self) -> Document:
        return await self.mongo[DATABASE]["projection_jobs"].find_one({"_id": "users"}) or {}

    async def live(self) -> str:
        entry = await self.mongo[DATABASE]["read_models"].find_one({"_id": "users"}) or {}
        return f"users.g{entry.get('live', 1)}"

    def usage(self) -> Usage:
        pids = {name: pid for name in PARTS if (pid := self.native.pid(name)) is not None}
        return usage(pids)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Watch]:
        watch = Watch()
        watching = asyncio.create_task(self._watch(watch))
        try:
            yield watch
        finally:
            watching.cancel()
            await asyncio.wait({watching}, timeout=5)

    async def _watch(self, watch: Watch) -> None:
        while True:
            job = await self.job()
            phase = str(job.get("phase"))
            used = self.usage()
            watch.peak_mb = max([watch.peak_mb, *(mb for name, mb in used.rss_mb.items() if name.startswith("query"))])
            if job.get("state") == "running" or watch.phases:
                watch.phases.setdefault(phase, time.monotonic())
                watch.used.setdefault(phase, used)
            await asyncio.sleep(PHASE_SECONDS)


async def _run(servers: NativeStack, events: int, per_second: int, times: int) -> int:
    await asyncio.to_thread(servers.set_up)
    mongo_url = servers_admin_urls(servers).mongo
    async with AsyncMongoClient[Document](mongo_url, tz_aware=True) as mongo:
        scale = Scale(servers, mongo)
        tenth = events // 10
        say(f"filling the log with {tenth} events")
        next_user = await fill_log(scale.postgres_url, 1, tenth)
        await asyncio.to_thread(servers.start_services)
        small = await _idle(scale, "a tenth of the events")
        say(f"filling the log with {events - tenth} more events")
        next_user = await fill_log(scale.postgres_url, next_user, events - tenth)
        large = await _idle(scale, "all events")
        say(f"     peak memory of a query process: {small.peak_mb:.0f} MB, and {large.peak_mb:.0f} MB")
        scale.check("memory stays flat (within 25 MB)", holds=large.peak_mb - small.peak_mb < 25)
        for kill in [*[False] * times, True]:
            await _under_traffic(scale, Traffic(scale.env["CQRS_AMQP_URL"], per_second, next_user - 1), kill=kill)
        await _damage(scale)
        for name in [each for each in servers.running() if each.partition("-")[0] in ("command", "query")]:
            await asyncio.to_thread(servers.stop, [name])
    say(f"{len(scale.failures)} failures")
    return 1 if scale.failures else 0


async def _idle(scale: Scale, what: str) -> Watch:
    async with scale.watched() as watch:
        job = await scale.result("rebuild", "users")
    scale.check(f"rebuild of {what}: {job['state']} {job.get('error') or ''}", holds=job["state"] == "done")
    total = int(job.get("total") or 1)
    begun, ended = watch.phases.get("filling"), watch.phases.get("indexing", watch.phases.get("catching up"))
    if begun is None or ended is None:
        return watch
    seconds = ended - begun
    names = list(watch.phases)
    end = names[names.index("filling") + 1]
    cpu = watch.used[end].cpu_since(watch.used["filling"])
    say(f"     read and folded {total} events in {seconds:.1f} s: {total / seconds:,.0f} events/s")
    say(f"     CPU: {1e6 * sum(cpu.values()) / total:.0f} µs per event")
    say("     " + ", ".join(f"{name} {1e6 * used / total:.0f}" for name, used in cpu.items()))
    spans = [f"{name} {watch.phases[after] - watch.phases[name]:.1f} s" for name, after in pairwise(names)]
    say(f"     {', '.join(spans)}")
    return watch


async def _under_traffic(scale: Scale, traffic: Traffic, *, kill: bool) -> None:
    running = asyncio.create_task(traffic.run())
    await asyncio.sleep(5)
    began = time.monotonic()
    before = await scale.live()
    if kill:
        job = await _broken_off(scale)
    else:
        job = await scale.result("rebuild", "users")
    seconds = time.monotonic() - began
    await asyncio.sleep(3)
    traffic.stopping.set()
    await running
    how = "broken off by kill -9 and started again" if kill else "under traffic"
    after = await scale.live()
    say(f"     {traffic.counts['commands'] / (seconds + 8):.0f} commands/s, slowest answer {traffic.slowest:.2f} s")
    scale.check(f"rebuild {how}: {job['state']} in {seconds:.0f} s, {before} to {after}", holds=job["state"] == "done")
    scale.check(
        f"{traffic.counts['queries']} queries and {traffic.counts['commands']} commands, {len(traffic.wrong)} wrong:"
        f" {traffic.wrong[:3]}",
        holds=not traffic.wrong,
    )
    wrong = await wrong_users(scale.postgres_url, scale.mongo, after)
    scale.check(f"{after} equals the fold: {len(wrong)} wrong {wrong[:3]}", holds=not wrong and before != after)


async def _broken_off(scale: Scale) -> Document:
    """The command line is killed, and the query process that does the work, and the other one a little later: after a
    third of the filling, and after two.
    """
    before = (await scale.job()).get("target")
    cli = await scale.cqrs("rebuild", "users")
    done = 0
    for name, least in (("query-1", 0.33), ("query-2", 0.66)):
        job = await scale.job()
        while job["target"] == before or job["phase"] in ("waiting", "filling"):
            if job["target"] != before and job["done"] > max(done, least * job.get("total", 0)):
                break
            await asyncio.sleep(0.05)
            job = await scale.job()
        if cli.returncode is None:
            cli.kill()
            await cli.wait()
        scale.native.send(name, signal.SIGKILL)
        done = job["done"]
        scale.check(
            f"kill -9 of {name} and of the command line while it was {job['phase']},"
            f" {done} of {job.get('total')} events",
            holds=job["phase"] == "filling",
        )
        await asyncio.to_thread(scale.native.start, name)
    return await scale.result("rebuild", "users")


async def _damage(scale: Scale) -> None:
    users = scale.mongo[DATABASE][await scale.live()]
    ids = [each["_id"] async for each in users.find({}, {"_id": 1}).skip(1000).limit(2)]
    await users.update_one({"_id": ids[0]}, {"$set": {"name": "Mallory"}})
    await users.delete_one({"_id": ids[1]})
    await users.insert_one({"_id": "nobody", "version": 1, "name": "Nobody", "email_key": "nobody"})
    wrong = {("different", ids[0]), ("missing", ids[1]), ("invented", "nobody")}
    began = time.monotonic()
    found = await scale.result("verify", "users")
    say(f"     verify took {time.monotonic() - began:.0f} s")
    scale.check(f"verify names exactly the three: {_named(found)}", holds=_named(found) == wrong)
    repaired = await scale.result("verify", "users", "--repair")
    scale.check("--repair mends them", holds=(repaired.get("report") or {}).get("repaired") == 3)
    clean = await scale.result("verify", "users")
    scale.check("a second verify is clean", holds=(clean.get("report") or {}).get("differences") == 0)


def _named(job: Document) -> set[tuple[str, str]]:
    return {(each["kind"], each["id"]) for each in (job.get("report") or {}).get("named", [])}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
