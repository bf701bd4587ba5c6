"""`python -m tests.chaos.faulty_query`: the query service, killed at the point that CHAOS_KILL_AT names.

`before-write` (a batch was read), `before-ack` (MongoDB has it).
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

from services.query.bootstrap import Seams, bootstrap
from services.query.projector.projector import OrderedConsumer
from services.query.settings import QuerySettings
from shared.messaging.envelope import Delivery, Receipt
from shared.runtime.run import run_service, started
from tests.chaos.kill_point import KillPoint


class FaultyConsumer:
    def __init__(self, consumer: OrderedConsumer, point: KillPoint) -> None:
        self._consumer = consumer
        self._point = point

    async def batches(self) -> AsyncIterator[list[Delivery]]:
        async for batch in self._consumer.batches():
            self._point.passed("before-write")
            yield batch

    async def ack(self, deliveries: Sequence[Receipt]) -> None:
        self._point.passed("before-ack")
        await self._consumer.ack(deliveries)

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        await self._consumer.requeue(deliveries)

    def is_current(self, delivery: Receipt) -> bool:
        return self._consumer.is_current(delivery)

    async def stop(self) -> None:
        await self._consumer.stop()

    def halt(self) -> None:
        self._consumer.halt()

    @property
    def trouble(self) -> str | None:
        return self._consumer.trouble


async def serve(settings: QuerySettings, stop: asyncio.Event) -> None:
    point = KillPoint()
    seams = Seams(consumer=lambda consumer: FaultyConsumer(consumer, point))
    async with started(bootstrap(settings, seams)) as service:
        await service.run(stop)


if __name__ == "__main__":
    sys.exit(run_service(QuerySettings, serve))
