"""The broker, as the operator's own user."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from shared.messaging.connection import BrokerRefusedError, SupervisedConnection

CONNECT_SECONDS = 5.0


@asynccontextmanager
async def operator_connection(url: str) -> AsyncIterator[SupervisedConnection]:
    """A connection that is up. Raises OpsError when there is none, or the broker refuses us."""
    connection = SupervisedConnection(url, name="cqrs operator", connect_timeout=CONNECT_SECONDS)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(connection)
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.opened()
        except BrokerRefusedError as error:
            raise OpsError(str(error), ExitCode.UNREACHABLE) from error
        except TimeoutError:
            trouble = connection.trouble or "no connection to the broker in time"
            raise OpsError(trouble, ExitCode.UNREACHABLE) from None
        yield connection
