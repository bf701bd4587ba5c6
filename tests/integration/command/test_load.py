"""Many commands: every one has one outcome, versions have no holes, and a stop in the middle loses nothing."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from uuid import uuid4

import asyncpg

from tests.integration.command.client import Client, create
from tests.integration.command.conftest import Start
from tests.integration.command.running import eventually

COMMANDS = 2000
USERS = 500


def some_command(chance: random.Random) -> tuple[str, dict[str, str]]:
    user_id = f"u{chance.randrange(USERS)}"
    match chance.randrange(6):
        case 0 | 1:
            return "CreateUser", create(user_id)
        case 2:
            return "RenameUser", {"user_id": user_id, "name": f"Name {chance.randrange(5)}"}
        case 3:
            email = f"u{chance.randrange(USERS)}@example.com"
            return "UpdateUserEmail", {"user_id": user_id, "new_email": email}
        case 4:
            return "DeactivateUser", {"user_id": user_id}
        case _:
            return "ReactivateUser", {"user_id": user_id}


async def test_every_command_has_one_outcome_and_no_version_is_missing(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    chance = random.Random(20261122)
    commands = [(str(uuid4()), *some_command(chance)) for _ in range(COMMANDS)]
    events = await client.subscribe("events")

    async def publish() -> None:
        for message_id, type_, body in commands:
            for _ in range(2 if chance.random() < 0.1 else 1):
                await client.send(type_, body, message_id=message_id)

    publishing = asyncio.create_task(publish())
    for _ in range(3):
        async with start():  # stopped as by SIGTERM, in the middle
            await asyncio.sleep(0.5)
    async with start():
        await publishing
        await eventually(lambda: sql.fetchval(f"SELECT count(*) = {COMMANDS} FROM inbox"), timeout=60)
        await eventually(lambda: sql.fetchval("SELECT count(*) = 0 FROM outbox"))
        for message_id, _, _ in commands:
            await client.outcome(message_id)
    await assert_everything_holds(client, sql)

    seen: defaultdict[str, list[int]] = defaultdict(list)
    for message in events.messages:
        event = json.loads(message.body)
        if event["aggregateversion"] > len(seen[event["aggregateid"]]):
            seen[event["aggregateid"]].append(event["aggregateversion"])
    rows = await sql.fetch("SELECT user_id, version FROM users")
    assert {row["user_id"]: list(range(1, row["version"] + 1)) for row in rows} == seen


async def assert_everything_holds(client: Client, sql: asyncpg.Connection) -> None:
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0
    versions = await sql.fetch("SELECT aggregate_id, array_agg(version ORDER BY position) AS v FROM events GROUP BY 1")
    users = {row["user_id"]: row["version"] for row in await sql.fetch("SELECT user_id, version FROM users")}
    assert {row["aggregate_id"]: row["v"] for row in versions} == {
        user_id: list(range(1, version + 1)) for user_id, version in users.items()
    }
    for message_id, outcomes in client.outcomes.items():
        assert all(outcome == outcomes[0] for outcome in outcomes), message_id
    tally = Counter(outcomes[0]["status"] for outcomes in client.outcomes.values())
    assert min(tally["accepted"], tally["rejected"]) > 100
    accepted = [outcome[0] for outcome in client.outcomes.values() if outcome[0]["status"] == "accepted"]
    caused = {str(row["causation_id"]) for row in await sql.fetch("SELECT causation_id FROM events")}
    assert caused <= {outcome["command_id"] for outcome in accepted}


async def test_a_table_that_has_just_grown_is_not_read_from_end_to_end(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    """What was planned for an empty table stays planned so until PostgreSQL has counted its rows: a minute or more."""
    commands = 600
    await sql.execute("SELECT pg_stat_reset()")
    async with start(batch_size=5):
        for number in range(commands):
            await client.send("CreateUser", create(f"u{number}"))
        await eventually(lambda: sql.fetchval(f"SELECT count(*) = {commands} FROM inbox"), timeout=60)
    counted = f"SELECT n_tup_ins = {commands} FROM pg_stat_user_tables WHERE relname = 'users'"
    await eventually(lambda: sql.fetchval(counted), timeout=20)

    read = await sql.fetchval("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'users'")
    assert read < commands
