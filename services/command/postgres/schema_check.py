"""Whether the database is one that this service can work with."""

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres.failures import in_few_words, is_refused, sqlstate
from shared.runtime.errors import StartupError

SCHEMA_VERSION = text("SELECT version_num FROM alembic_version")
NO_SUCH_TABLE = "42P01"

logger = structlog.stdlib.get_logger(__name__)


async def check_schema(engine: AsyncEngine) -> None:
    """Raises StartupError when PostgreSQL refuses us or was never set up. One that is not there yet is fine."""
    try:
        async with engine.connect() as connection:
            version = (await connection.execute(SCHEMA_VERSION)).scalar()
    except Exception as error:
        if is_refused(error):
            place = f"user {engine.url.username} on database {engine.url.database}"
            raise StartupError(f"PostgreSQL refuses {place}: {in_few_words(error)}") from error
        if sqlstate(error) == NO_SUCH_TABLE:
            raise StartupError(
                f"database {engine.url.database} is not set up: run `python -m services.command.setup` first"
            ) from error
        logger.warning("database can't be reached yet", error=in_few_words(error))
    else:
        logger.info("database is set up", schema_version=version)
