"""A server that goes away for 20 s under load: readiness tells, nothing is lost, nothing is dead-lettered."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

import aio_pika
import aiohttp
import asyncpg
import pytest

from shared.messaging.opening import open_connection
from tests.support.load import History, LoadClient, plan
from tests.support.oracle import assert_everything_holds, plain_postgres_url
from tests.support.stack import Stack

OUTAGE_SECONDS = 20.0


async def is_ready(http_url: str) -> bool:
    try:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{http_url}/readyz") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.2)


async def dead_letter_count(stack: Stack) -> int:
    connection = await asyncpg.connect(plain_postgres_url(stack.env["CQRS_POSTGRES_URL"]))
    try:
        return int(await connection.fetchval("SELECT count(*) FROM dead_letters"))
    finally:
        await connection.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("server", "unready"),
    [("postgres", ["COMMAND"]), ("rabbitmq", ["COMMAND", "QUERY"]), ("mongo", ["QUERY"])],
)
async def test_a_server_away_for_twenty_seconds_costs_time_and_nothing_else(
    stack: Stack, server: str, unready: list[str]
) -> None:
    prefix = f"out-{server}-{uuid.uuid4().hex[:8]}"
    sent = plan(seed=3, commands=3000, users=500, duplicates=0.1, prefix=prefix)
    history = History()
    dead_letters = await dead_letter_count(stack)
    readiness = [stack.env[f"CQRS_{service}_HTTP_URL"] for service in unready]

    async def outage() -> None:
        while len(history.confirmed) < 500:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(stack.stop, server)
        stopped = time.monotonic()
        try:
            for url in readiness:
                await eventually(partial(not_ready, url), OUTAGE_SECONDS, f"{url} not ready while {server} is away")
            await asyncio.sleep(max(0.0, stopped + OUTAGE_SECONDS - time.monotonic()))
        finally:
            await asyncio.to_thread(stack.start, server)
        for url in readiness:
            await eventually(partial(is_ready, url), 20, f"{url} ready again after {server} came back")

    async def not_ready(url: str) -> bool:
        return not await is_ready(url)

    clients = [LoadClient(stack.env["CQRS_AMQP_URL"], history) for _ in range(4)]
    await asyncio.gather(outage(), *(client.publish(sent[number::4]) for number, client in enumerate(clients)))

    await assert_everything_holds(stack.env, sent, prefix)
    assert await dead_letter_count(stack) == dead_letters


async def test_a_command_that_waits_too_long_is_rejected_as_expired(stack: Stack) -> None:
    user_id = f"late-{uuid.uuid4().hex}"
    command_id = str(uuid.uuid4())
    dead_letters = await dead_letter_count(stack)
    connection = await open_connection(stack.env["CQRS_AMQP_URL"])
    async with connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(f"reply.{uuid.uuid4()}", durable=True, arguments={"x-expires": 60_000})
        exchange = await channel.get_exchange("commands", ensure=False)
        await asyncio.to_thread(stack.terminate, "command")
        try:
            await exchange.publish(
                aio_pika.Message(
                    json.dumps({"user_id": user_id, "name": "Late", "email": f"{user_id}@example.com"}).encode(),
                    type="CreateUser",
                    message_id=command_id,
                    correlation_id="late",
                    reply_to=replies.name,
                    expiration=0.2,
                ),
                routing_key=user_id,
            )
            await asyncio.sleep(0.5)
        finally:
            await asyncio.to_thread(stack.start, "command")
        async with asyncio.timeout(20):
            while (reply := await replies.get(fail=False)) is None:
                await asyncio.sleep(0.1)

    outcome = json.loads(reply.body)
    assert (reply.correlation_id, outcome["command_id"]) == ("late", command_id)
    assert (outcome["status"], outcome["error"]["code"]) == ("rejected", "expired")
    assert await dead_letter_count(stack) == dead_letters
