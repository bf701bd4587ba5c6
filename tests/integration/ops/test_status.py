"""The parts of `cqrs status` that look into the stores, on real ones."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from services.command.postgres.migrate import migrate
from services.ops.status.parked import parked_by_model
from services.ops.status.queues import queue_states
from services.ops.status.write_side import WriteSide, write_side
from tests.integration.messaging.stages import rabbit_stage

WAITING = text(
    "INSERT INTO outbox (exchange, routing_key, message_id, type, content_type, headers, body, created_at)"
    " VALUES ('events', 'user.UserCreated', '1', 'UserCreated', 'application/json', '{}', '', now() - interval '90 s')"
)


@pytest.fixture
async def postgres_url(postgres_admin_url: str) -> AsyncIterator[str]:
    """A database with the command service's schema."""
    name = f"ops_test_{uuid4().hex[:8]}"
    admin = create_async_engine(postgres_admin_url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgres_admin_url).set(database=name).render_as_string(hide_password=False)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await migrate(connection)
    await engine.dispose()
    yield url
    async with admin.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


async def test_nothing_waits_in_a_new_database(postgres_url: str) -> None:
    assert await write_side(postgres_url) == WriteSide(outbox=0, oldest_seconds=0.0, dead_letters=0)


async def test_what_waits_in_the_outbox_is_counted_with_its_age(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(WAITING)
    await engine.dispose()
    state = await write_side(postgres_url)
    assert state.outbox == 1
    assert 90 <= state.oldest_seconds < 120


async def test_parked_aggregates_are_counted_by_read_model(mongo_admin_url: str) -> None:
    name = f"ops_test_{uuid4().hex[:8]}"
    head, _, options = mongo_admin_url.partition("?")
    url = f"{head.rstrip('/')}/{name}?{options}"
    client: AsyncMongoClient[dict[str, str]] = AsyncMongoClient(mongo_admin_url)
    async with client:
        assert await parked_by_model(url) == {}
        parked = client[name]["parked"]
        await parked.insert_many([{"_id": f"users/{n}", "model": "users"} for n in range(2)])
        await parked.insert_one({"_id": "command_status/1", "model": "command_status"})
        counts = await parked_by_model(url)
        await client.drop_database(name)
    assert counts == {"users": 2, "command_status": 1}


async def test_a_consumer_that_came_just_now_is_counted(amqp_admin_url: str, rabbitmq_api_url: str) -> None:
    async with rabbit_stage(amqp_admin_url, rabbitmq_api_url) as rabbit:
        await rabbit.declare_queue("commands.0")
        await rabbit.declare_queue("queries", "classic")
        async with rabbit.consumer(["queries"]) as consumer:
            async with asyncio.timeout(5):
                while consumer.trouble is not None:
                    await asyncio.sleep(0.01)
            states = await queue_states(rabbitmq_api_url, rabbit.url)

    assert {state.name: state.consumers for state in states} == {"commands.0": 0, "queries": 1}
