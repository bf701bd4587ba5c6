"""What a reader of the log relies on: see services/command/settled_position.py."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.command.ids import new_id
from services.command.pipeline.announcements import event_messages
from services.command.pipeline.batch_decision import NewFact
from services.command.postgres import events, inbox, outbox
from services.command.postgres.events import NewEvent
from services.command.postgres.row_insert import insert_together

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)
# A log of its own, in front of the real one, that minds when its positions are taken.
WATCHFUL_LOG = """
    CREATE SCHEMA watchful;
    CREATE SEQUENCE watchful.positions;
    CREATE FUNCTION watchful.next_position() RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
        IF pg_current_xact_id_if_assigned() IS NULL THEN
            RAISE EXCEPTION 'a position for a transaction that has no id yet';
        END IF;
        RETURN nextval('watchful.positions');
    END $$;
    CREATE TABLE watchful.events (LIKE public.events INCLUDING DEFAULTS);
    ALTER TABLE watchful.events ALTER position SET DEFAULT watchful.next_position();
"""


@pytest.fixture
async def engine(sql: asyncpg.Connection, admin_database: str) -> AsyncIterator[AsyncEngine]:
    await sql.execute(WATCHFUL_LOG)
    settings = {"server_settings": {"search_path": "watchful, public"}}
    engine = create_async_engine(admin_database, connect_args=settings)
    yield engine
    await engine.dispose()
    await sql.execute("DROP SCHEMA watchful CASCADE")


@pytest.mark.parametrize("with_commands", [True, False])
async def test_a_transaction_has_its_id_before_it_takes_a_position(
    engine: AsyncEngine, sql: asyncpg.Connection, *, with_commands: bool
) -> None:
    def renamed(version: int) -> NewEvent:
        return NewEvent(new_id(), "user", "u1", version, "UserRenamed", 1, "{}", None, new_id(), None)

    new = [renamed(1), renamed(2)]
    facts = [NewFact(event, None) for event in new]
    beside = [inbox.addition({new_id(): inbox.Processed(b"hash", "{}")})] if with_commands else []
    additions = [*beside, events.addition(new), outbox.addition(event_messages(facts, NOW), events=len(new))]

    async with engine.begin() as connection:
        await insert_together(connection, additions, now=NOW)

    found = await sql.fetch("SELECT position, transaction_id FROM watchful.events ORDER BY position")
    assert [row["position"] for row in found] == [1, 2]
    assert len({row["transaction_id"] for row in found}) == 1
