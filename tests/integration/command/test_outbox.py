"""The outbox's statements go along the index that is theirs, whatever PostgreSQL knows of the table."""

import asyncpg
import pytest

from services.command.postgres import outbox
from services.command.postgres.engine import SERVER_SETTINGS

FILL = """
    INSERT INTO outbox (ordering_key, exchange, routing_key, message_id, type, content_type, headers, body)
    SELECT 'user/' || n, 'events', 'user.created', n::text, 'UserCreated', 'application/json', '{}', ''
    FROM generate_series(1, $1) AS n
"""


@pytest.mark.parametrize("ever", [0, 100, 3000], ids=lambda ever: f"{ever} rows were there")
async def test_clearing_goes_along_ids_also_when_it_is_planned_while_the_outbox_is_empty(
    sql: asyncpg.Connection, service_database: str, ever: int
) -> None:
    await sql.execute(FILL, ever)
    await sql.execute("DELETE FROM outbox")
    await sql.execute("VACUUM (ANALYZE, TRUNCATE false) outbox")
    service = await asyncpg.connect(service_database.replace("+asyncpg", ""), server_settings=SERVER_SETTINGS)
    clear = str(outbox.CLEAR).replace(":ids", "$1::bigint[]")
    plan = [row[0] for row in await service.fetch(f"EXPLAIN {clear}", list(range(300)))]
    await service.close()
    assert any("outbox_pkey" in line for line in plan), plan
