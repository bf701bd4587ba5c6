"""The command service's database, for an operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.ops.errors import OpsError
from services.ops.exit_code import ExitCode
from shared.runtime.errors import in_one_line

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 60.0


@asynccontextmanager
async def postgres(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine of which each statement is a transaction. What the database fails with becomes an OpsError."""
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
    )
    try:
        yield engine
    except (OSError, TimeoutError, SQLAlchemyError, PostgresError) as error:
        raise OpsError(f"PostgreSQL: {in_one_line(error)}", ExitCode.UNREACHABLE) from error
    finally:
        await engine.dispose()
