"""The stream of events and outcomes on its way to the read models: repeated, reordered, late."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import aio_pika

from services.query.bootstrap import PROJECTION_QUEUES
from shared.messaging.opening import open_connection
from shared.messaging.topology import ProjectionQueue
from tests.chaos.chaos_stack import World
from tests.chaos.faults.fault import Base, some
from tests.chaos.faults.stream_relay import Delays, StreamRelay

LONGEST_DELAY_SECONDS = 30.0
DRAIN_SECONDS = 90.0


def duplicates(rng: Random) -> Delays:
    """Half of the messages come again, once or twice, up to 5 s later: behind newer versions of the same user."""
    return lambda: [0.0, *(rng.uniform(0, 5) for _ in range(rng.choice((0, 0, 1, 2))))]


def reordered(rng: Random) -> Delays:
    """Everything within 3 s is shuffled."""
    return lambda: [rng.uniform(0, 3)]


def delayed(rng: Random) -> Delays:
    """A fifth comes up to 30 s late: long after its gap was healed from the log."""
    return lambda: [rng.uniform(0, LONGEST_DELAY_SECONDS) if rng.random() < 0.2 else 0.0]


EFFECTS: dict[str, Callable[[Random], Delays]] = {
    "duplicates": duplicates,
    "reordered": reordered,
    "delayed": delayed,
}


class StreamFault(Base):
    """For some of the read models, or all. The services notice nothing but what arrives, and stay ready."""

    def __init__(self, name: str, effect: str, rng: Random) -> None:
        super().__init__(name, "stream", rng.uniform(8, 20))
        self._delays = EFFECTS[effect](Random(rng.getrandbits(64)))
        chosen = some(rng, [projection.name for projection in PROJECTION_QUEUES])
        self._projections = [projection for projection in PROJECTION_QUEUES if projection.name in chosen]
        self._relays: list[tuple[StreamRelay, asyncio.Task[None]]] = []

    async def inject(self, world: World) -> None:
        async with await _connect(world) as connection:
            channel = await connection.channel()
            for projection in self._projections:
                detour = await channel.declare_queue(
                    _detour(projection), durable=True, arguments={"x-queue-type": "quorum"}
                )
                for exchange, key in projection.sources:
                    await detour.bind(exchange, key)
            self._start_relays(world)
            # Unbound only now: what comes in between takes both ways, and nothing is lost.
            for projection in self._projections:
                queue = await channel.get_queue(projection.queue, ensure=False)
                for exchange, key in projection.sources:
                    await queue.unbind(exchange, key)

    async def heal(self, world: World) -> None:
        """Returns when everything has come through, however late it was to be."""
        async with asyncio.timeout(DRAIN_SECONDS):
            async with await _connect(world) as connection:
                channel = await connection.channel()
                for projection in self._projections:
                    queue = await channel.get_queue(projection.queue, ensure=False)
                    detour = await channel.get_queue(_detour(projection), ensure=False)
                    for exchange, key in projection.sources:
                        await queue.bind(exchange, key)
                        await detour.unbind(exchange, key)
            await asyncio.gather(*(relay.drained() for relay, _ in self._relays))
        await self._stop_relays()
        async with await _connect(world) as connection:
            channel = await connection.channel()
            for projection in self._projections:
                await channel.queue_delete(_detour(projection))

    def _start_relays(self, world: World) -> None:
        for projection in self._projections:
            relay = StreamRelay(_url(world), _detour(projection), projection.queue, self._delays)
            self._relays.append((relay, asyncio.create_task(relay.run())))

    async def _stop_relays(self) -> None:
        tasks: Sequence[asyncio.Task[None]] = [task for _, task in self._relays]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _detour(projection: ProjectionQueue) -> str:
    return f"chaos.{projection.queue}"


def _url(world: World) -> str:
    return f"{world.admin.amqp.removesuffix('/')}/cqrs"


async def _connect(world: World) -> aio_pika.abc.AbstractConnection:
    return await open_connection(_url(world), timeout=10)
