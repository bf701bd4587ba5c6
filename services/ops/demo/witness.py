"""A subscriber that only looks on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from shared.client import CqrsClient
from shared.client_errors import ClientError
from shared.contracts.cloud_event import CloudEvent


@asynccontextmanager
async def witness(client: CqrsClient) -> AsyncIterator[list[CloudEvent]]:
    """A list that grows by every user event that is published inside the block."""
    happened: list[CloudEvent] = []

    async def look_on(events: AsyncIterator[CloudEvent]) -> None:
        async for event in events:
            happened.append(event)  # noqa: PERF401 - as they come, not at the end

    async with client.events("user.#") as events:
        looking = asyncio.create_task(look_on(events), name="witness")
        try:
            yield happened
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError, ClientError):
                await looking
