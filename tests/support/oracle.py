"""The oracle: says whether what the system holds is what it must hold. It shares no code with the services.

Its fold of the log is written apart from the product's own, on purpose.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from tests.support.ask import Asker
from tests.support.load import Sent

QUIET_QUEUES = ("commands.", "projections.", "queries", "event-log", "projection-control", "dead-letters")
QUIET_SECONDS = 6.0  # longer than the 5 s by which the broker's statistics may lag


@dataclass(frozen=True)
class Stored:
    """PostgreSQL's side: the log by user in the order of versions, the state table, and outcomes by command id."""

    events: dict[str, list[dict[str, Any]]]
    users: dict[str, dict[str, Any]]
    outcomes: dict[str, dict[str, Any]]


def plain_postgres_url(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


async def wait_until_quiet(env: dict[str, str], deadline: float = 90.0) -> None:
    """Returns when no message is left in any queue (nor unacknowledged) nor in the outbox, and no read model has to
    catch up with what was acknowledged without it; raises AssertionError.
    """
    left: Any = None
    connection = await asyncpg.connect(plain_postgres_url(env["CQRS_POSTGRES_URL"]))
    try:
        quiet_since = time.monotonic()
        async with asyncio.timeout(deadline):
            while time.monotonic() - quiet_since < QUIET_SECONDS:
                outbox = await connection.fetchval("SELECT count(*) FROM outbox")
                left = {"outbox": outbox} | await queue_depths(env) | await models_behind(env["CQRS_MONGO_URL"])
                if any(left.values()):
                    quiet_since = time.monotonic()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"still not quiet after {deadline} s: {left}") from None
    finally:
        await connection.close()


async def queue_depths(env: dict[str, str]) -> dict[str, int]:
    """Ready and unacknowledged messages of each queue of the system, up to 5 s old."""
    url = f"{env['CQRS_RABBITMQ_API_URL']}/api/queues/cqrs"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        queues = await response.json()
    return {queue["name"]: queue.get("messages", 0) for queue in queues if queue["name"].startswith(QUIET_QUEUES)}


async def models_behind(mongo_url: str) -> dict[str, int]:
    """Read models that lack events, by name, and how many processes say so."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    async with client:
        catalogue = client.get_default_database()["read_models"]
        try:
            return {entry["_id"]: len(entry["behind"]) async for entry in catalogue.find({"behind": {"$exists": True}})}
        except AutoReconnect:
            return {"mongodb does not answer": 1}


async def stored(env: dict[str, str], prefix: str) -> Stored:
    """What PostgreSQL holds of the users whose ids begin with `prefix`."""
    connection = await asyncpg.connect(plain_postgres_url(env["CQRS_POSTGRES_URL"]))
    try:
        like = prefix + "%"
        log = await connection.fetch(
            "SELECT * FROM events WHERE aggregate_id LIKE $1 ORDER BY aggregate_id, version",
            like,
        )
        users = await connection.fetch("SELECT * FROM users WHERE user_id LIKE $1", like)
        inbox = await connection.fetch("SELECT command_id, outcome FROM inbox")
    finally:
        await connection.close()
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in log:
        events[row["aggregate_id"]].append(dict(row) | {"data": json.loads(row["data"])})
    return Stored(
        events=dict(events),
        users={row["user_id"]: dict(row) for row in users},
        outcomes={str(row["command_id"]): json.loads(row["outcome"]) for row in inbox},
    )


def fold(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a user must look like after these events."""
    user: dict[str, Any] = {}
    for event in events:
        data, kind = event["data"], event["type"]
        if kind == "UserCreated":
            user = {"user_id": data["user_id"], "name": data["name"], "email": data["email"], "status": "active"}
            user["created_at"] = event["time"]
        elif kind == "UserEmailUpdated":
            assert data["old_email"] == user["email"]
            user["email"] = data["new_email"]
        elif kind == "UserRenamed":
            assert data["old_name"] == user["name"]
            user["name"] = data["new_name"]
        elif kind == "UserDeactivated":
            assert user["status"] == "active"
            user["status"] = "deactivated"
        elif kind == "UserReactivated":
            assert user["status"] == "deactivated"
            user["status"] = "active"
        else:
            raise AssertionError(f"no such event: {kind}")
        user |= {"version": event["version"], "updated_at": event["time"]}
    return user


async def assert_everything_holds(env: dict[str, str], sent: Iterable[Sent], prefix: str) -> Stored:
    """The whole statement of the promises about these commands; raises AssertionError naming what is broken."""
    await wait_until_quiet(env)
    held = await stored(env, prefix)
    commands = {command.message_id: command for command in sent}

    missing = commands.keys() - held.outcomes.keys()
    assert not missing, f"{len(missing)} commands without an outcome, such as {sorted(missing)[:3]}"
    for user_id, events in held.events.items():
        versions = [event["version"] for event in events]
        assert versions == list(range(1, len(versions) + 1)), f"versions of {user_id}: {versions}"
    assert_log_is_the_accepted_commands(held, commands)

    expected = {user_id: fold(events) for user_id, events in held.events.items()}
    assert {user_id: comparable(row) for user_id, row in held.users.items()} == {
        user_id: comparable(user) for user_id, user in expected.items()
    }
    emails = [user["email"].lower() for user in expected.values()]
    assert len(emails) == len(set(emails)), "two users share an e-mail address"
    await assert_read_side_equals(env, held, expected, commands, prefix)
    return held


def assert_log_is_the_accepted_commands(held: Stored, commands: dict[str, Sent]) -> None:
    """Each event belongs to one accepted command, at the version that its outcome names; no command made two."""
    made = {"CreateUser": "UserCreated", "RenameUser": "UserRenamed", "UpdateUserEmail": "UserEmailUpdated"}
    made |= {"DeactivateUser": "UserDeactivated", "ReactivateUser": "UserReactivated"}
    causes: set[str] = set()
    for events in held.events.values():
        for event in events:
            cause = str(event["causation_id"])
            assert cause not in causes, f"command {cause} was applied twice"
            causes.add(cause)
            if cause not in commands:
                continue
            outcome = held.outcomes[cause]
            assert outcome["status"] == "accepted", f"event of a rejected command {cause}"
            assert outcome["version"] == event["version"]
            assert outcome["consistency_token"] == f"user/{event['aggregate_id']}@{event['version']}"
            assert made[commands[cause].type] == event["type"]
            assert commands[cause].user_id == event["aggregate_id"]
    for command_id in commands.keys() - causes:
        outcome = held.outcomes[command_id]
        unchanged = outcome["status"] == "accepted" and commands[command_id].type in ("UpdateUserEmail", "RenameUser")
        assert unchanged or outcome["status"] == "rejected", f"{command_id} was accepted and left no event"


async def assert_read_side_equals(
    env: dict[str, str], held: Stored, expected: dict[str, dict[str, Any]], commands: dict[str, Sent], prefix: str
) -> None:
    """MongoDB, asked through the front door, equals the fold of the log, and knows what became of every command."""
    async with Asker(env["CQRS_AMQP_URL"]) as asker:
        users = await asker.all_users()
        seen = {user_id: comparable(parsed(user)) for user_id, user in users.items() if user_id.startswith(prefix)}
        wanted = {user_id: comparable(user) for user_id, user in expected.items()}
        wrong = [user_id for user_id in seen.keys() | wanted.keys() if seen.get(user_id) != wanted.get(user_id)]
        assert not wrong, f"{len(wrong)} wrong documents: {[(seen.get(u), wanted.get(u)) for u in wrong[:2]]}"
        ids = sorted(commands)
        for start in range(0, len(ids), 100):
            part = ids[start : start + 100]
            answers = await asyncio.gather(
                *(asker.ask("GetCommandStatus", command_id=command_id) for command_id in part)
            )
            for command_id, answer in zip(part, answers, strict=True):
                assert_status_is(answer["data"], held.outcomes[command_id])


def assert_status_is(status: dict[str, Any], outcome: dict[str, Any]) -> None:
    assert status["status"] == outcome["status"], (status, outcome)
    if outcome["status"] == "accepted":
        assert status["version"] == outcome["version"], (status, outcome)
    else:
        assert status["code"] == outcome["error"]["code"], (status, outcome)


def comparable(user: dict[str, Any]) -> dict[str, Any]:
    """The fields of a user that the contract names; times to the millisecond, which is what MongoDB keeps."""
    fields = {key: user[key] for key in ("user_id", "name", "email", "status", "version")}
    for key in ("created_at", "updated_at"):
        fields[key] = int(user[key].timestamp() * 1000)
    return fields


def parsed(user: dict[str, Any]) -> dict[str, Any]:
    return user | {key: datetime.fromisoformat(user[key]) for key in ("created_at", "updated_at")}
