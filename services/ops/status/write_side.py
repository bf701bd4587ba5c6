"""What waits in the outbox and what has failed for good, in PostgreSQL."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

PATIENCE = 5.0

# The tables are the command service's (services/command/postgres/tables.py); services never import each other.
BACKLOG = text(
    "SELECT (SELECT count(*) FROM outbox) AS outbox,"
    " (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM outbox) AS oldest_seconds,"
    " (SELECT count(*) FROM dead_letters) AS dead_letters"
)


@dataclass(frozen=True)
class WriteSide:
    """Messages not yet published, the age of the oldest one in seconds, and dead letters."""

    outbox: int
    oldest_seconds: float
    dead_letters: int


async def write_side(postgres_url: str) -> WriteSide:
    """Raises OSError, TimeoutError and SQLAlchemyError."""
    engine = create_async_engine(postgres_url, connect_args={"timeout": PATIENCE})
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as connection:
            row = (await connection.execute(BACKLOG)).one()
    finally:
        await engine.dispose()
    return WriteSide(int(row.outbox), float(row.oldest_seconds), int(row.dead_letters))
