"""One-shot set-up of the write side's database: `python -m services.command.setup`. Doing it again is harmless.

Makes the database where it is missing, the roles `command` (the service) and `ops` (operators), and the newest schema.

Environment:
  COMMAND_SETUP_POSTGRES_URL      an owner's or administrator's postgresql+asyncpg://user@host:port/database
  COMMAND_SETUP_POSTGRES_PASSWORD the password, where the URL has none
  COMMAND_SETUP_SERVICE_PASSWORD  what the role `command` shall log in with
  COMMAND_SETUP_OPS_PASSWORD      what the role `ops` shall log in with
  COMMAND_SETUP_WAIT_SECONDS      how long to wait for a server that is not up yet (60)
Each of them may come from a file instead, named by the variable with _FILE at its end.
Exit code: 0 done, 1 failed, 2 bad settings.
"""

import argparse
import asyncio
import sys

import structlog
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command.postgres.engine import postgres_engine
from services.command.postgres.failures import in_few_words, is_refused, is_transient, sqlstate
from services.command.postgres.migrate import migrate
from services.command.postgres.roles import OPERATOR, SERVICE, grant, save_role
from services.command.postgres.url import PostgresUrl
from shared.runtime.errors import StartupError
from shared.runtime.run import run_job
from shared.runtime.settings import Settings, with_password

LOCK_KEY = 0x5345545550  # "SETUP"
NO_SUCH_DATABASE = "3D000"
SOMEBODY_WAS_QUICKER = ("42P04", "23505", "42710", "XX000")
"""Another set-up job makes the same database or role (XX000: "tuple concurrently updated")."""
ATTEMPTS = 10
RETRY_SECONDS = 0.3

logger = structlog.stdlib.get_logger("services.command.setup")


class CommandSetupSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="COMMAND_SETUP_")

    postgres_url: PostgresUrl
    postgres_password: SecretStr | None = None
    service_password: SecretStr
    ops_password: SecretStr
    wait_seconds: float = Field(default=60.0, ge=0)


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m services.command.setup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    return run_job(CommandSetupSettings, set_up)


async def set_up(settings: CommandSetupSettings) -> None:
    """Raises StartupError with one clear line."""
    url = with_password(settings.postgres_url, settings.postgres_password)
    await _ensure_database(url, settings.wait_seconds)
    async with postgres_engine(url, application_name="command-setup", pool_size=1) as engine:
        await _save_role(engine, SERVICE, settings.service_password)
        await _save_role(engine, OPERATOR, settings.ops_password)
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            await migrate(connection)
            await grant(connection)
    logger.info("database is set up", database=make_url(url).database)


async def _ensure_database(url: str, wait_seconds: float) -> None:
    """Waits for the server, and makes the database where it is missing."""
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            async with (
                postgres_engine(url, application_name="command-setup", pool_size=1) as engine,
                engine.connect(),
            ):
                return
        except Exception as error:
            if sqlstate(error) == NO_SUCH_DATABASE:
                await _create_database(url)
            elif is_refused(error) or not is_transient(error):
                raise StartupError(f"PostgreSQL refuses {_place(url)}: {in_few_words(error)}") from error
            elif asyncio.get_running_loop().time() >= deadline:
                raise StartupError(f"no PostgreSQL at {_place(url)}: {in_few_words(error)}") from error
        await asyncio.sleep(RETRY_SECONDS)


async def _create_database(url: str) -> None:
    target = make_url(url)
    maintenance = target.set(database="postgres").render_as_string(hide_password=False)
    async with postgres_engine(maintenance, application_name="command-setup", pool_size=1) as engine:
        name = engine.dialect.identifier_preparer.quote(target.database or "")
        try:
            async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                await connection.execute(text(f"CREATE DATABASE {name}"))
        except DBAPIError as error:
            if sqlstate(error) not in SOMEBODY_WAS_QUICKER:
                raise StartupError(f"can't make the database {target.database}: {in_few_words(error)}") from error


async def _save_role(engine: AsyncEngine, role: str, password: SecretStr) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with engine.begin() as connection:
                await save_role(connection, role, password.get_secret_value())
                return
        except DBAPIError as error:
            if sqlstate(error) not in SOMEBODY_WAS_QUICKER or attempt == ATTEMPTS:
                raise StartupError(f"can't make the role {role}: {in_few_words(error)}") from error
            await asyncio.sleep(RETRY_SECONDS)


def _place(url: str) -> str:
    """`user@host:port/database`, without the password."""
    parts = make_url(url)
    return f"{parts.username or ''}@{parts.host}:{parts.port or 5432}/{parts.database}"


if __name__ == "__main__":
    sys.exit(main())
