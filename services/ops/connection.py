"""The client that the commands share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.ops.settings import load_ops_settings, required
from shared.client import CqrsClient

CONNECT_TIMEOUT = 5.0


@asynccontextmanager
async def connected() -> AsyncIterator[CqrsClient]:
    """A client of the system that the settings name. Raises OpsError and NotConnectedError."""
    url = required(load_ops_settings(), "amqp_url")
    async with CqrsClient.connect(url, name="cqrs command line", connect_timeout=CONNECT_TIMEOUT) as client:
        yield client
