"""The way to PostgreSQL."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.command.postgres.idle_connections import ask_idle_connections

CONNECT_TIMEOUT_SECONDS = 5.0
SERVER_SETTINGS = {
    "TimeZone": "UTC",  # of times that the server itself writes as JSON
    # The server gives up before the client does, so that it is the server that says why.
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",  # compiling costs more than such statements take
    # What the service looks for an index has. But a statement that was planned while a table was new keeps its plan, to
    # read all of it, until the table is analysed: a minute under load, and more work with every row.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
FORGETFUL = {"synchronous_commit": "off"}
"""A commit doesn't wait for the disk: a crash of PostgreSQL may undo it. For what may as well be done again."""
COMMAND_TIMEOUT_SECONDS = 20.0
"""When the server can't answer at all: a network that swallows packets, a stopped process."""


@asynccontextmanager
async def postgres_engine(
    url: str, *, application_name: str, pool_size: int = 8, settings: Mapping[str, str] = SERVER_SETTINGS
) -> AsyncIterator[AsyncEngine]:
    """A pool of connections (`postgresql+asyncpg://…`), closed at the end. Connects when first used."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10.0,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": application_name, **settings},
        },
    )
    ask_idle_connections(engine)
    try:
        yield engine
    finally:
        await engine.dispose()
