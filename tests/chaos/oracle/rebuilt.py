"""Rebuilt from empty = live: a query service with a vhost and a database of its own is told everything anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import aiohttp
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractConnection

from deploy.native.client_env import client_env
from deploy.native.layout import ROOT
from deploy.native.services import MONGO_DATABASE, VHOST, query_service, setup_environment
from deploy.native.stack import NativeStack
from shared.messaging.opening import open_connection
from tests.chaos.oracle.read_models import STATUSES, Documents, ReadSide, read_side
from tests.chaos.oracle.replay import Message

SPACE = "rebuilt"
"""The name of the vhost, and of the database."""
SET_UP = ("shared.messaging", "services.query.setup")
CONSUMED_SECONDS = 240.0
CONSUMED_PER_SECOND = 100.0
"""At least, on a machine that has much else to do."""
QUIET_SECONDS = 6.0  # longer than the 5 s by which the broker's statistics may lag
END_SECONDS = 30.0


async def rebuilt(native: NativeStack, messages: Sequence[Message]) -> ReadSide:
    """What a read side that began with nothing holds after these. Raises TimeoutError when it doesn't take them all."""
    env = client_env(native.layout)
    for job in SET_UP:
        await _set_up(native, job)
    async with (
        _query_service(native),
        await open_connection(_in_space(env["CQRS_ADMIN_AMQP_URL"], VHOST)) as connection,
    ):
        await _publish(connection, messages)
        await _consumed(env["CQRS_RABBITMQ_API_URL"], CONSUMED_SECONDS + len(messages) / CONSUMED_PER_SECOND)
        return await read_side(_in_space(env["CQRS_MONGO_URL"], MONGO_DATABASE))


def differences(live: ReadSide, anew: ReadSide, without_a_time: Collection[str]) -> Iterator[str]:
    """Collections and ids of documents that are not the same in both.

    One field can't be the same twice: the `time` of the status of a command without an event is when it was decided,
    which is kept nowhere else. That of one with an event is the event's.
    """
    for name in sorted(live.models.keys() | anew.models.keys()):
        yield from _different(name, live.models.get(name, {}), anew.models.get(name, {}))
    for name in sorted(live.details.keys() | anew.details.keys()):
        yield from _different(f"{name}.details", live.details.get(name, {}), anew.details.get(name, {}))
    timeless = [
        {
            key: {field: value for field, value in status.items() if field != "time" or key not in without_a_time}
            for key, status in side.statuses.items()
        }
        for side in (live, anew)
    ]
    yield from _different(STATUSES, *timeless)


def _different(name: str, live: Documents, anew: Documents) -> Iterable[str]:
    for key in live.keys() | anew.keys():
        if live.get(key) != anew.get(key):
            yield f"{name} {key}: {_how(live.get(key), anew.get(key))}"


def _how(live: Mapping[str, Any] | None, anew: Mapping[str, Any] | None) -> str:
    if live is None or anew is None:
        return "only rebuilt" if live is None else "only live"
    return "another " + ", ".join(sorted(key for key in live.keys() | anew.keys() if live.get(key) != anew.get(key)))


async def _set_up(native: NativeStack, job: str) -> None:
    env = setup_environment(native.layout) | {"QUERY_SETUP_DATABASE": SPACE}
    env["BROKER_ADMIN_AMQP_URL"] = _in_space(env["BROKER_ADMIN_AMQP_URL"], VHOST)
    with native.log(f"{SPACE}-{job}").open("wb") as log:
        done = await asyncio.create_subprocess_exec(
            str(native.layout.python), "-m", job, env=env, cwd=ROOT, stdout=log, stderr=log
        )
        assert await done.wait() == 0, f"{job} failed: see {native.log(f'{SPACE}-{job}')}"


@asynccontextmanager
async def _query_service(native: NativeStack) -> AsyncIterator[None]:
    part = query_service(native.layout, 1)
    # Room for everything: no read model may fall behind where there is no event log to catch up from.
    env = dict(part.env) | {"QUERY_HTTP_PORT": "0", "QUERY_PREFETCH": "65535"}
    env["QUERY_AMQP_URL"] = _in_space(env["QUERY_AMQP_URL"], VHOST)
    env["QUERY_MONGO_URL"] = _in_space(env["QUERY_MONGO_URL"], MONGO_DATABASE)
    with native.log(SPACE).open("wb") as log:
        process = await asyncio.create_subprocess_exec(*part.argv, env=env, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _publish(connection: AbstractConnection, messages: Sequence[Message]) -> None:
    """One after the other: publishes that wait for room side by side may overtake each other in the client.

    Nothing fails here, so no confirms. But the channel must stay open until all is consumed: what a channel that has
    just closed had sent last may come to a quorum queue after the news of its end, and is then never enqueued.
    """
    channel = await connection.channel(publisher_confirms=False)
    exchanges = {name: await channel.get_exchange(name, ensure=False) for name in ("events", "outcomes")}
    for each in messages:
        await exchanges[each.exchange].publish(_amqp(each), each.routing_key, mandatory=False)


def _amqp(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        type=message.type,
        message_id=message.message_id,
        content_type=message.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        headers=dict(message.headers),
    )


async def _consumed(api_url: str, seconds: float) -> None:
    """Returns when no queue holds a message, or has one out, for long enough to be sure. Raises TimeoutError."""
    quiet_since = time.monotonic()
    async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            async with session.get(f"{api_url}/api/queues/{SPACE}") as response:
                response.raise_for_status()
                if any(queue.get("messages", 1) for queue in await response.json()):
                    quiet_since = time.monotonic()
            await asyncio.sleep(0.3)


def _in_space(url: str, space: str) -> str:
    """The same server, but our vhost or database in place of the live one."""
    beginning, slash, end = url.rpartition(f"/{space}")
    assert slash, f"no /{space} to replace"
    return f"{beginning}/{SPACE}{end}"
