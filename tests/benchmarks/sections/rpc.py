"""GetUserById over RabbitMQ: each system with its own client, one question after the other and 64 in flight.

What it took to make the users is written out before that: answering is what is measured.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.native.client_env import client_env
from deploy.native.layout import ROOT
from tests.benchmarks.commands import creates
from tests.benchmarks.drain import drain
from tests.benchmarks.peer import Peer
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.session import Session

USERS = 500
QUEUES = {"echo": "echo", "faststream": "queries", "celery": "queries", "nameko": "rpc-queries"}


@dataclass(frozen=True)
class Seen:
    """What a client says that it saw: the time of each question, and answers per second with 64 in flight."""

    serial_seconds: Sequence[float]
    rate: float


async def rpc(session: Session) -> None:
    names = ["ours", *QUEUES]
    first = session.round % len(names)
    for name in [*names[first:], *names[:first]]:
        session.reporter.step(f"{name}: RPC")
        try:
            seen = await (_ours(session) if name == "ours" else _peer(session, session.peers[name]))
        except RuntimeError as error:
            if name != "nameko":
                raise
            session.note(f"Nameko could not be measured: {error}")
            continue
        milliseconds = [1000 * each for each in seen.serial_seconds]
        p50, p99 = percentile(milliseconds, 50), percentile(milliseconds, 99)
        session.add(f"rpc.{name}.p50_ms", p50)
        session.add(f"rpc.{name}.p99_ms", p99)
        session.add(f"rpc.{name}.rate", seen.rate)
        session.reporter.say(
            f"  rpc {name}: serial p50 {p50:.2f}, p99 {p99:.2f} ms; {seen.rate:,.0f}/s with 64 in flight"
        )


async def _ours(session: Session) -> Seen:
    ours = session.ours
    await ours.reset()
    users = creates(USERS, session.label("rpc"))
    await drain(ours, users)
    await ours.stores.settle()
    scale = session.scale
    env = os.environ | _plan([user.user_id for user in users], scale.serial, scale.parallel)
    env |= {"BENCH_AMQP_URL": client_env(session.servers.layout)["CQRS_AMQP_URL"]}
    argv = [sys.executable, "-m", "tests.benchmarks.our_asker"]
    asker = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
    output, _ = await asker.communicate()
    await ours.stop()
    if asker.returncode:
        raise ValueError("our client failed")
    return _read(output.decode())


async def _peer(session: Session, peer: Peer) -> Seen:
    """Users are put into its view: how they get there is not what is measured."""
    await peer.renew()
    now = datetime.now(UTC)
    ids = [user.user_id for user in creates(USERS, session.label("rpc"))]
    common = {"name": "Ada", "email": "ada@example.com", "version": 1, "status": "active"}
    documents = [{"_id": id_, **common, "created_at": now, "updated_at": now} for id_ in ids]
    await peer.stores.documents["users"].insert_many(documents)
    await peer.stores.settle()
    await peer.serve(QUEUES[peer.name])
    scale = session.scale
    serial, parallel = scale.peer_serial, scale.peer_parallel
    if peer.name == "echo":  # its percentiles are compared with ours
        serial, parallel = scale.serial, scale.parallel
    try:
        return _read(await peer.run("ask", env=_plan(ids, serial, parallel)))
    finally:
        await peer.stop()


def _plan(ids: list[str], serial: int, parallel: int) -> Mapping[str, str]:
    """What `peers/asking.py` reads."""
    return {"BENCH_USERS": " ".join(ids), "BENCH_SERIAL": str(serial), "BENCH_PARALLEL": str(parallel)}


def _read(output: str) -> Seen:
    return Seen(**json.loads(output.splitlines()[-1]))
