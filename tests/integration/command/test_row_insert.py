"""Rows go in as they are, whether they share values or not."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from services.command.ids import new_id
from services.command.postgres.row_insert import RowInsert, insert_together
from services.command.postgres.tables import events

COLUMNS = (
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "version",
    "type",
    "schema_version",
    "data",
    "causation_id",
    "actor",
)
ADD = RowInsert(
    events,
    COLUMNS,
    now=["time"],
    often_same=["aggregate_type", "type", "schema_version", "actor"],
    returning="position",
)
NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


def row(number: int, type_: str = "UserCreated", actor: str | None = None) -> tuple[Any, ...]:
    return (new_id(), "user", f"u{number}", 1, type_, 1, f'{{"number": {number}}}', new_id(), actor)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row(1)], id="one"),
        pytest.param([row(number) for number in range(50)], id="alike"),
        pytest.param([row(1, actor="a"), row(2, actor="a")], id="alike, none of them null"),
        pytest.param([row(1), row(2, "UserRenamed"), row(3)], id="one of another type"),
        pytest.param([row(1), row(2, actor="client")], id="null in some"),
    ],
)
async def test_each_row_is_stored_and_its_position_given(
    sql: asyncpg.Connection, service_database: str, rows: list[tuple[Any, ...]]
) -> None:
    engine = create_async_engine(service_database)
    async with engine.begin() as connection:
        added = await insert_together(connection, [ADD.of(rows)], now=NOW)
    await engine.dispose()

    stored = await sql.fetch(f"SELECT {', '.join(COLUMNS)}, time, position FROM events ORDER BY position")
    assert [tuple(found)[:-2] for found in stored] == rows
    assert {found["time"] for found in stored} == {NOW}
    assert added == {ADD: [found["position"] for found in stored]}
