"""A long event log, written by PostgreSQL itself: users who were created, and every other one changed since."""

import hashlib
from typing import Any

import asyncpg

FILL = """
    WITH history AS (
        SELECT 'scale-' || md5(n::text) AS id, n, generate_series(1, CASE n % 4 WHEN 0 THEN 3 WHEN 2 THEN 2 ELSE 1 END)
            AS version
        FROM generate_series($1::bigint, $2::bigint) AS n
    )
    INSERT INTO events (event_id, aggregate_type, aggregate_id, version, type, schema_version, time, data,
        correlation_id, causation_id, actor)
    SELECT gen_random_uuid(), 'user', id, version,
        (ARRAY['UserCreated', 'UserRenamed', 'UserDeactivated'])[version], 1,
        timestamptz '2026-01-01 00:00:00Z' + (n + version) * interval '10 seconds',
        CASE version
            WHEN 1 THEN jsonb_build_object('user_id', id, 'name', 'User ' || n, 'email', id || '@example.com')
            WHEN 2 THEN jsonb_build_object('user_id', id, 'old_name', 'User ' || n, 'new_name', 'Renamed ' || n)
            ELSE jsonb_build_object('user_id', id, 'reason', 'left')
        END,
        gen_random_uuid()::text, gen_random_uuid(), 'client'
    FROM history ORDER BY version, n
"""
EVENTS_OF_FOUR = 7
"""Four users have so many events."""


def filled_user(number: int) -> dict[str, Any]:
    """What `GetUserById` has to say of a user, written down apart from the projection."""
    version = {0: 3, 2: 2}.get(number % 4, 1)
    return {
        "user_id": f"scale-{hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()}",
        "version": version,
        "name": f"User {number}" if version == 1 else f"Renamed {number}",
        "status": "deactivated" if version == 3 else "active",
    }


async def fill_log(postgres_url: str, first_user: int, events: int) -> int:
    """Adds about so many events of users from number `first_user`; gives the number of the next one."""
    next_user = first_user + events * 4 // EVENTS_OF_FOUR
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        await connection.execute(FILL, first_user, next_user - 1, timeout=600)
        await connection.execute("VACUUM ANALYZE events", timeout=600)
    finally:
        await connection.close()
    return next_user
