"""Brings the schema to the newest version."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

SCRIPTS = "services.command.postgres:migrations"


async def migrate(connection: AsyncConnection) -> None:
    """Runs what has not run yet, in the connection's transaction: all of it or nothing."""
    await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    command.upgrade(config_for(connection), "head")


def config_for(connection: Connection) -> Config:
    """What alembic's own commands need, to work in this connection's transaction."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
