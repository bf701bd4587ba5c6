"""What a message costs on each path between the socket and us: `python -m tests.benchmarks.micro AMQP_URL`.

Works in a vhost of its own, in rounds that take turns; prints medians. `cpu` is the CPU of this process alone, in µs a
message: unlike rates it doesn't depend on what the broker costs beside it.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import structlog
import uvloop
from yarl import URL

from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.management_api import ManagementApi
from shared.messaging.opening import open_connection
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.replier import AmqpReplier
from shared.messaging.reply import Reply
from shared.messaging.responder import Responder
from shared.messaging.rpc_client import RpcClient
from shared.messaging.transport_path import TransportPath

Measure = Callable[[SupervisedConnection, int], Awaitable[None]]

QUEUE = "micro"
BATCH = 500
IN_FLIGHT = 64
BODY = b'{"specversion":"1.0","type":"UserCreated","data":{"user_id":"alice","name":"Alice"}}' * 5
EVENT = Envelope(
    exchange="",
    routing_key=QUEUE,
    type="UserCreated",
    body=BODY,
    message_id="01930000-0000-7000-8000-000000000000",
    headers={"aggregate-id": "alice", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("amqp_url", help="of an administrator")
    parser.add_argument("--api-url", required=True, help="the management API, with its user and password")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    table = uvloop.run(run(given.amqp_url, given.api_url, rounds=given.rounds, messages=given.messages))
    sys.stdout.write(table + "\n")


async def run(amqp_url: str, api_url: str, *, rounds: int, messages: int) -> str:
    """Measures everything on both paths and returns the table."""
    found: dict[tuple[str, TransportPath], list[tuple[float, float]]] = defaultdict(list)
    calls = max(IN_FLIGHT, messages // 20)
    async with a_vhost(amqp_url, api_url) as url:
        for _ in range(rounds):
            for name, measure, number in (
                ("publish + confirm", publish, messages),
                ("consume + ack", consume, messages),
                ("RPC echo, serial", partial_echo(1), calls),
                ("RPC echo, 64 in flight", partial_echo(IN_FLIGHT), calls * 4),
            ):
                for path in TransportPath:
                    if measure is consume:
                        await fill(url, messages)
                    async with SupervisedConnection(url, name="micro", path=path) as connection:
                        found[name, path].append(await timed(measure, connection, number))
    return in_lines(found)


async def timed(measure: Measure, connection: SupervisedConnection, number: int) -> tuple[float, float]:
    """Messages a second, and µs of this process's CPU a message."""
    wall, cpu = time.perf_counter(), time.process_time()
    await measure(connection, number)
    return number / (time.perf_counter() - wall), (time.process_time() - cpu) / number * 1e6


async def publish(connection: SupervisedConnection, number: int) -> None:
    async with AmqpPublisher(connection) as publisher:
        for _ in range(number // BATCH):
            assert not any(await publisher.publish([replace(EVENT) for _ in range(BATCH)]))
    async with AsyncExitStack() as stack:
        opened = await connection.opened()
        channel = await opened.channel(publisher_confirms=False)
        stack.push_async_callback(channel.close)
        await channel.queue_purge(QUEUE)


async def consume(connection: SupervisedConnection, number: int) -> None:
    async with AmqpBatchConsumer(connection, [QUEUE], prefetch=2 * BATCH, max_batch=BATCH, linger=0.002) as consumer:
        async for batch in consumer.batches():
            await consumer.ack(batch)
            number -= len(batch)
            if number <= 0:
                return


def partial_echo(in_flight: int) -> Measure:
    async def echo(connection: SupervisedConnection, number: int) -> None:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            consumer = await enter(AmqpBatchConsumer(connection, [QUEUE], linger=0.0))
            responder = Responder(consumer, await enter(AmqpReplier(connection)), answer)
            answering = asyncio.create_task(responder.run())
            client = await enter(RpcClient(connection))
            todo = iter(range(number))

            async def ask() -> None:
                for _ in todo:
                    await client.call(replace(EVENT, persistent=False), timeout=30)

            await asyncio.gather(*(ask() for _ in range(in_flight)))
            await responder.stop()
            await answering

    return echo


async def answer(request: Delivery) -> Reply:
    return Reply(type="Answer", body=request.body)


async def fill(url: str, number: int) -> None:
    async with SupervisedConnection(url, name="fill") as connection, AmqpPublisher(connection, timeout=60) as publisher:
        assert not any(await publisher.publish([EVENT] * number))


@asynccontextmanager
async def a_vhost(amqp_url: str, api_url: str) -> AsyncIterator[str]:
    vhost = f"micro-{uuid4().hex[:8]}"
    async with ManagementApi(api_url) as api:
        await api.put("vhosts", vhost, body={})
        try:
            url = str(URL(amqp_url).with_path(f"/{vhost}"))
            async with await open_connection(url) as connection, connection.channel() as channel:
                await channel.declare_queue(QUEUE, durable=True)
            yield url
        finally:
            await api.delete("vhosts", vhost)


def in_lines(found: dict[tuple[str, TransportPath], list[tuple[float, float]]]) -> str:
    lines = [f"{'':24}{'path':>7}{'a second':>11}{'(min–max)':>17}{'cpu µs':>9}"]
    for (name, path), rounds in found.items():
        rates, costs = zip(*rounds, strict=True)
        spread = f"{min(rates):,.0f}–{max(rates):,.0f}"
        lines.append(
            f"{name:24}{path:>7}{statistics.median(rates):>11,.0f}{spread:>17}{statistics.median(costs):>9.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
