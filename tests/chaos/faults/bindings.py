"""Nobody is bound to the events any more, as after a slip of an administrator: the broker has nowhere to put them."""

import asyncio
from random import Random

import aio_pika

from services.query.bootstrap import PROJECTION_QUEUES
from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base

SETTLE_SECONDS = 0.5


class EventsUnbound(Base):
    """All at once: an event that some read models get and others don't is nothing that the broker would say.

    Command services stand still while bindings change, so none is published in between.
    """

    def __init__(self, name: str, rng: Random) -> None:
        super().__init__(name, "rabbitmq", rng.uniform(3, 8))

    async def inject(self, world: World) -> None:
        await self._change(world, "unbind")

    async def heal(self, world: World) -> None:
        await self._change(world, "bind")

    async def _change(self, world: World, change: str) -> None:
        running = [part for part in world.parts("command") if world.native.pid(part)]
        for part in running:
            await asyncio.to_thread(world.stack.suspend, part)
        try:
            await asyncio.sleep(SETTLE_SECONDS)  # for what was on its way
            async with await aio_pika.connect(f"{world.admin.amqp.removesuffix('/')}/cqrs", timeout=10) as connection:
                channel = await connection.channel()
                for projection in PROJECTION_QUEUES:
                    queue = await channel.get_queue(projection.queue, ensure=False)
                    for exchange, key in projection.sources:
                        if change == "bind":
                            await queue.bind(exchange, key)
                        else:
                            await queue.unbind(exchange, key)
        finally:
            for part in running:
                await asyncio.to_thread(world.stack.resume, part)
