"""Bare aio-pika: a server that sends back what it gets, and a client with direct reply-to. The floor of RPC over
RabbitMQ in asyncio.
"""

import asyncio
import uuid

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage

from tests.benchmarks.peers.asking import measured
from tests.benchmarks.peers.role import Servers, play

QUEUE = "echo"
REPLY_TO = "amq.rabbitmq.reply-to"


async def serve(servers: Servers) -> None:
    connection = await aio_pika.connect(servers.amqp)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=100)
        queue = await channel.declare_queue(QUEUE)

        async def answer(message: AbstractIncomingMessage) -> None:
            assert message.reply_to is not None
            reply = aio_pika.Message(message.body, correlation_id=message.correlation_id)
            await channel.default_exchange.publish(reply, message.reply_to)
            await message.ack()

        await queue.consume(answer)
        await asyncio.Future()


async def ask(servers: Servers) -> None:
    connection = await aio_pika.connect(servers.amqp)
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        waiting: dict[str, asyncio.Future[bytes]] = {}

        async def on_reply(message: AbstractIncomingMessage) -> None:
            assert message.correlation_id is not None
            waiting.pop(message.correlation_id).set_result(message.body)

        replies = await channel.get_queue(REPLY_TO, ensure=False)
        await replies.consume(on_reply, no_ack=True)

        async def one(user_id: str) -> None:
            id_ = uuid.uuid4().hex
            waiting[id_] = asyncio.get_running_loop().create_future()
            message = aio_pika.Message(b'{"user_id":"%b"}' % user_id.encode(), correlation_id=id_, reply_to=REPLY_TO)
            reply = waiting[id_]
            await channel.default_exchange.publish(message, QUEUE)
            async with asyncio.timeout(10):
                await reply

        await measured(one)


if __name__ == "__main__":
    play(
        {
            "serve": lambda servers: uvloop.run(serve(servers)),
            "ask": lambda servers: uvloop.run(ask(servers)),
        }
    )
