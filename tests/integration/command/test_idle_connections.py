"""Connections that died while nobody used them."""

from contextlib import AsyncExitStack

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.command.postgres.failures import is_transient
from services.command.postgres.idle_connections import ask_idle_connections

PID = text("SELECT pg_backend_pid()")


async def pids(engine: AsyncEngine, number: int) -> set[int]:
    """The server processes behind `number` connections that are in use side by side."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(engine.connect()) for _ in range(number)]
        return {(await connection.execute(PID)).scalar_one() for connection in connections}


async def terminate(sql: asyncpg.Connection, processes: set[int]) -> None:
    for process in processes:
        await sql.fetchval("SELECT pg_terminate_backend($1, 5000)", process)


async def test_those_that_died_while_idle_are_replaced_unnoticed(
    sql: asyncpg.Connection, service_database: str
) -> None:
    engine = create_async_engine(service_database)
    ask_idle_connections(engine, idle=0.0)
    before = await pids(engine, 2)
    await terminate(sql, before)

    assert not before & await pids(engine, 2)
    await engine.dispose()


async def test_one_that_lives_is_used_again(service_database: str) -> None:
    engine = create_async_engine(service_database)
    ask_idle_connections(engine, idle=0.0)

    assert await pids(engine, 1) == await pids(engine, 1)
    await engine.dispose()


async def test_one_that_was_just_used_is_not_asked_and_its_failure_passes(
    sql: asyncpg.Connection, service_database: str
) -> None:
    engine = create_async_engine(service_database)
    ask_idle_connections(engine, idle=60.0)
    before = await pids(engine, 2)
    await terminate(sql, before)

    with pytest.raises(DBAPIError) as failure:
        await pids(engine, 1)
    assert is_transient(failure.value)
    assert not before & await pids(engine, 2)
    await engine.dispose()
