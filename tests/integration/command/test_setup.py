"""The set-up job, and what the service says of a database that it can't work with."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, make_url
from sqlalchemy.dialects.postgresql.base import ischema_names

from services.command.bootstrap import bootstrap
from services.command.postgres.engine import postgres_engine
from services.command.postgres.migrate import config_for
from services.command.postgres.tables import XID8, metadata
from services.command.settings import CommandSettings
from services.command.setup import set_up
from shared.runtime.errors import StartupError
from tests.integration.command.conftest import setup_settings


@pytest.fixture
async def fresh_url(postgres_admin_url: str) -> AsyncIterator[str]:
    """URL of a database that is not there yet."""
    name = f"command_test_{uuid4().hex[:12]}"
    yield make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
    connection = await asyncpg.connect(postgres_admin_url.replace("+asyncpg", ""))
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.close()


async def test_set_up_at_the_same_time_and_again_is_harmless(fresh_url: str) -> None:
    await asyncio.gather(*(set_up(setup_settings(fresh_url)) for _ in range(4)))
    await set_up(setup_settings(fresh_url))


async def test_the_tables_in_the_code_are_those_that_the_migrations_make(
    admin_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ischema_names, "xid8", XID8)  # which SQLAlchemy doesn't know

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with postgres_engine(admin_database, application_name="test") as engine, engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_letters_that_are_there_twice_become_one_and_no_other_is_lost(fresh_url: str) -> None:
    await set_up(setup_settings(fresh_url))
    async with postgres_engine(fresh_url, application_name="test") as engine, engine.begin() as connection:
        await connection.run_sync(lambda it: command.downgrade(config_for(it), "0002"))
    sql = await asyncpg.connect(fresh_url.replace("+asyncpg", ""))
    await sql.execute("""
        INSERT INTO dead_letters (queue, exchange, routing_key, reason, detail, properties, headers, body, fingerprint,
            attempts, first_seen, last_seen)
        SELECT 'commands.0', 'commands', 'alice', 'invalid_message', '', '{}', headers::jsonb, '', fingerprint,
            attempts, '2026-11-22T00:00Z'::timestamptz + first * interval '1 hour', '2026-11-23'
        FROM (VALUES
            (1, 1, '{}', 'a'::bytea), (3, 0, '{"x-delivery-count": 2}', 'a'), (1, 5, '{"schema-version": 9}', 'a'),
            (1, 4, '{}', 'b'), (1, 6, '{"schema-version": 9}', 'a')
        ) AS letters (attempts, first, headers, fingerprint)
    """)
    await set_up(setup_settings(fresh_url))
    rows = await sql.fetch("SELECT id, attempts, extract(hour FROM first_seen)::int FROM dead_letters ORDER BY id")
    kept = await sql.fetchval("SELECT array_agg(id) FROM dead_letters WHERE fingerprint IN ('a', 'b')")
    await sql.close()
    assert [tuple(row) for row in rows] == [(1, 4, 0), (3, 2, 5), (4, 1, 4)]
    assert sorted(kept) == [1, 4]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("command", "UPDATE events SET type = 'x'"),
        ("command", "DELETE FROM events"),
        ("command", "DELETE FROM inbox"),
        ("command", "DELETE FROM users"),
        ("command", "DELETE FROM dead_letters"),
        ("command", "TRUNCATE events"),
        ("command", "CREATE TABLE t (a int)"),
        ("ops", "INSERT INTO events DEFAULT VALUES"),
        ("ops", "UPDATE users SET name = 'x'"),
        ("ops", "DELETE FROM outbox"),
    ],
)
async def test_nobody_has_a_right_too_many(admin_database: str, role: str, statement: str) -> None:
    url = make_url(admin_database).set(username=role, password=role, drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_operators_read_everything_and_clear_dead_letters(admin_database: str) -> None:
    url = make_url(admin_database).set(username="ops", password="ops", drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    for table in ("users", "events", "inbox", "outbox", "dead_letters"):
        await connection.fetch(f"SELECT * FROM {table}")
    await connection.execute("DELETE FROM dead_letters WHERE false")
    await connection.close()


async def test_a_server_that_does_not_come_is_one_clear_line() -> None:
    with pytest.raises(StartupError, match=r"no PostgreSQL at me@127\.0\.0\.1:1/x: ConnectionRefusedError") as failure:
        await set_up(setup_settings("postgresql+asyncpg://me:s3cret@127.0.0.1:1/x", wait_seconds=0))
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("user", "database", "line"),
    [
        ("nobody-at-all", "postgres", "refuses user"),
        ("command", "no-such", "refuses user"),
        ("", "postgres", "not set up"),
    ],
)
async def test_the_service_says_in_one_line_what_is_wrong_with_its_database(
    postgres_admin_url: str, vhost_url: str, user: str, database: str, line: str
) -> None:
    url = make_url(postgres_admin_url)
    wrong = url.set(username=user or url.username, database=database).render_as_string(hide_password=False)
    settings = CommandSettings(amqp_url=SecretStr(vhost_url), postgres_url=SecretStr(wrong), http_port=0)
    with pytest.raises(StartupError, match=line):
        async with bootstrap(settings):
            pass
