"""A detour for the messages of one queue: each leaves it late, more than once, or after those that came behind it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage

Delays: TypeAlias = Callable[[], Sequence[float]]
"""For one message: after how many seconds each of its copies leaves; at least one copy."""

STEP_SECONDS = 10.0
AGAIN_SECONDS = 0.3
EMPTY_LOOKS = 4
"""A message of a connection that was lost is not back in its queue at once: one look is not enough."""


class StreamRelay:
    """Takes from queue `source` and publishes to queue `target`, as it is but for exchange and routing key.

    A message is acknowledged once the broker has confirmed all its copies, so none is lost, whatever ends a connection;
    the broker may be away for as long as it likes.
    """

    def __init__(self, amqp_url: str, source: str, target: str, delays: Delays) -> None:
        self._amqp_url = f"{amqp_url}?heartbeat=10"
        self._source = source
        self._target = target
        self._delays = delays
        self._held: set[asyncio.Task[None]] = set()
        self._channel: AbstractChannel | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(Exception):
                await self._session()
            await asyncio.sleep(AGAIN_SECONDS)

    async def drained(self) -> None:
        """Returns when the source is empty and nothing is on its way; nothing may be routed to it any more."""
        looks = 0
        while looks < EMPTY_LOOKS:
            looks = looks + 1 if await self._is_empty() else 0
            await asyncio.sleep(AGAIN_SECONDS)

    async def _is_empty(self) -> bool:
        channel = self._channel
        if channel is None or self._held:
            return False
        with suppress(Exception):
            async with asyncio.timeout(STEP_SECONDS):
                declared = await channel.queue_declare(self._source, passive=True)
                return declared.message_count == 0 and not self._held
        return False

    async def _session(self) -> None:
        connection = aiormq.Connection(self._amqp_url)
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await connection.connect()
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await channel.basic_consume(self._source, self._take)
            self._channel = channel
            await asyncio.wait({connection.closing, channel.closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._channel = None
            held = list(self._held)
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            with suppress(Exception):
                await connection.close(timeout=2)

    async def _take(self, message: DeliveredMessage) -> None:
        task = asyncio.create_task(self._pass_on(message))
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _pass_on(self, message: DeliveredMessage) -> None:
        waited = 0.0
        try:
            for delay in sorted(self._delays()):
                await asyncio.sleep(delay - waited)
                waited = delay
                await message.channel.basic_publish(
                    message.body,
                    routing_key=self._target,
                    properties=message.header.properties,
                    mandatory=True,
                )
            assert message.delivery_tag is not None
            await message.channel.basic_ack(message.delivery_tag)
        except Exception:  # refused, returned, or the channel is gone: all that is held comes again on a new one
            with suppress(Exception):
                await message.channel.close()
