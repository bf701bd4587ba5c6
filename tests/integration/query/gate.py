"""Projections that can be held up, one read model's or all."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from services.query.projector.projection import Projection, Tally
from shared.messaging.envelope import Delivery


class Gate:
    """`Seams(projection=Gate().put_before)`: projections, or the one named `only`, write while it is open."""

    def __init__(self, only: str | None = None) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.seconds_each: float | None = None
        """While it is closed, messages pass after so long for each of them; None: not at all."""
        self.failure: Exception | None = None
        """Raised instead of writing."""
        self._only = only

    def put_before(self, projection: Projection[Any]) -> Projection[Any]:
        return projection if self._only not in (None, projection.name) else _Gated(projection, self)


class _Gated:
    def __init__(self, projection: Projection[Any], gate: Gate) -> None:
        self.name = projection.name
        self._projection = projection
        self._gate = gate

    def read(self, delivery: Delivery) -> Any:
        return self._projection.read(delivery)

    async def apply(self, messages: Sequence[Any]) -> Tally:
        slow = self._gate.seconds_each
        with suppress(TimeoutError):
            async with asyncio.timeout(None if slow is None else slow * len(messages)):
                await self._gate.open.wait()
        if self._gate.failure is not None:
            raise self._gate.failure
        return await self._projection.apply(messages)
