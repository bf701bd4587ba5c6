"""Dead letters of a real broker and database, looked at and sent again by the command line."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from services.command import bootstrap as command_bootstrap
from services.command.bootstrap import CommandService, bootstrap, command_bus
from services.command.command_bus import CommandBus
from services.command.handlers.create_user import create_user
from services.command.settings import CommandSettings
from services.ops.broker import operator_connection
from services.ops.dead_letters.fate import Fate
from services.ops.dead_letters.redrive import Redrive
from services.ops.dead_letters.selection import Selection
from services.ops.dead_letters.store import DeadLetterStore
from services.query.mongo.collections import Database
from shared.contracts.commands import CreateUser
from shared.messaging.batch_consumer import AmqpBatchConsumer
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.ports import PublishFailure
from shared.messaging.publisher import AmqpPublisher
from tests.integration.command.client import Client, create
from tests.integration.command.running import eventually, running
from tests.integration.ops.burial import bury, letter
from tests.integration.ops.conftest import System
from tests.integration.query.service_scene import running as query_running
from tests.integration.query.service_scene import settings_for


def only_create() -> CommandBus:
    """A service of before the other commands were thought of."""
    bus = CommandBus()
    bus.register(CreateUser, create_user)
    return bus


@asynccontextmanager
async def command_service(
    system: System, monkeypatch: pytest.MonkeyPatch, *, knows_all: bool = True
) -> AsyncIterator[CommandService]:
    with monkeypatch.context() as patched:
        patched.setattr(command_bootstrap, "command_bus", command_bus if knows_all else only_create)
        as_service = make_url(system.admin_postgres_url).set(username="command", password="command")
        settings = CommandSettings(
            amqp_url=SecretStr(system.admin_amqp_url),
            postgres_url=SecretStr(as_service.render_as_string(hide_password=False)),
            http_port=0,
            partitions=2,
        )
        async with bootstrap(settings) as service, running(service):
            yield service


async def taken(url: str, queue: str, count: int, *, seconds: float = 10.0) -> list[Delivery]:
    """What stands in a queue, as soon as it is so much; fewer when that does not happen in time."""
    found: list[Delivery] = []
    async with (
        SupervisedConnection(url, name="test") as connection,
        AmqpBatchConsumer(connection, [queue], linger=0.0) as consumer,
    ):
        try:
            async with asyncio.timeout(seconds):
                async for batch in consumer.batches():
                    found += batch
                    await consumer.ack(batch)
                    if len(found) >= count:
                        break
        except TimeoutError:
            pass
    return found


async def count(sql: asyncpg.Connection, table: str = "dead_letters") -> int:
    return int(await sql.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_command_that_nobody_knew_is_accepted_after_the_fix_and_applied_once(
    system: System,
    sql: asyncpg.Connection,
    mongo_admin_url: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rename = {"user_id": "alice", "name": "Alice Liddell"}
    query_settings = settings_for(system.admin_amqp_url, mongo_admin_url, database)
    statuses = database["command_status"]

    async def status_of(id_: str) -> str | None:
        names = [name for name in await database.list_collection_names() if name.startswith(statuses.name)]
        found = [entry for name in names if (entry := await database[name].find_one({"_id": id_}))]
        return f"{found[0]['status']} {found[0].get('code') or found[0].get('version')}" if found else None

    async def becomes(id_: str, status: str) -> bool:
        return await status_of(id_) == status

    async with query_running(query_settings), Client(system.admin_amqp_url) as client:
        async with command_service(system, monkeypatch, knows_all=False):
            assert (await client.command("CreateUser", create("alice")))["status"] == "accepted"
            id_ = await client.send("RenameUser", rename, timestamp=1_700_000_000, user_id="admin")
            assert (await client.outcome(id_))["error"]["code"] == "unknown_type"
            await eventually(lambda: becomes(id_, "rejected unknown_type"))

            code, out, err = await system.cqrs("dlq", "redrive", "--type", "RenameUser", "--yes", "--json")
            assert (code, json.loads(out)["probe"]["reason"]) == (1, "unknown_type"), err
            assert await count(sql) == 1

        kept = await sql.fetchrow("SELECT * FROM dead_letters")
        assert kept is not None
        async with command_service(system, monkeypatch):
            code, out, err = await system.cqrs("dlq", "redrive", "--reason", "unknown_type", "--yes", "--json")
            told = json.loads(out)
            assert (code, err, told["redriven"]) == (0, "", 1)
            assert (told["probe"]["status"], told["probe"]["version"]) == ("accepted", 2)
            assert await count(sql) == 0
            assert (await client.outcome(id_, number=3))["version"] == 2
            await eventually(lambda: becomes(id_, "accepted 2"))

            columns = ", ".join(kept.keys())
            values = ", ".join(f"${number}" for number in range(1, len(kept) + 1))
            await sql.execute(
                f"INSERT INTO dead_letters ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})", *kept.values()
            )
            code, out, _ = await system.cqrs("dlq", "redrive", str(kept["id"]), "--yes", "--json")
            assert (code, json.loads(out)["probe"]["fate"]) == (0, "quiet")
            assert (await client.outcome(id_, number=4))["version"] == 2

    assert await count(sql) == 0
    assert await sql.fetchval("SELECT count(*) FROM events WHERE aggregate_id = 'alice'") == 2
    assert await sql.fetchval("SELECT actor FROM events WHERE version = 2") == "admin"


async def test_the_rest_stays_when_the_first_fails_again(
    system: System, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bury(system.admin_postgres_url, [letter(str(uuid4())) for _ in range(5)])
    async with command_service(system, monkeypatch):
        code, out, _ = await system.cqrs("dlq", "redrive", "--all", "--yes", "--json")

    told = json.loads(out)
    assert code == 1
    assert (told["redriven"], told["left"], told["probe"]["fate"]) == (1, 4, "came_back")
    assert await count(sql) == 5
    assert [row["id"] for row in await sql.fetch("SELECT id FROM dead_letters ORDER BY id")] == [2, 3, 4, 5, 6]


async def test_the_rest_stays_when_nothing_is_heard_of_the_first(system: System, sql: asyncpg.Connection) -> None:
    await bury(system.admin_postgres_url, [letter(str(uuid4())) for _ in range(3)])

    code, out, _ = await system.cqrs("dlq", "redrive", "--all", "--yes", "--timeout", "0.5")

    assert code == 3
    assert "is the command service running?" in out
    assert await count(sql) == 2


async def test_a_dry_run_changes_nothing(system: System, sql: asyncpg.Connection) -> None:
    await bury(system.admin_postgres_url, [letter("1"), letter("2", type="CreateUser", reason="invalid_message")])

    for verb in ("redrive", "drop"):
        code, out, _ = await system.cqrs("dlq", verb, "--type", "CreateUser", "--dry-run", "--json")
        assert (code, json.loads(out)["total"]) == (0, 1)

    assert await count(sql) == 2
    assert await taken(system.admin_amqp_url, "commands.0", 1, seconds=0.3) == []


async def test_letters_are_grouped_listed_and_shown(system: System, sql: asyncpg.Connection) -> None:
    await bury(system.admin_postgres_url, [letter(str(n)) for n in range(3)])
    event = letter("e", queue="projections.users", exchange="dead-letters", headers={"aggregate-id": "bob"}, type=None)
    await bury(system.admin_postgres_url, [event, letter("x", routing_key="bob", queue="commands.1")])

    async def ids(*filters: str) -> list[int]:
        code, out, _ = await system.cqrs("dlq", "list", "--all", "--json", *filters)
        assert code == 0
        return [each["id"] for each in json.loads(out)["letters"]]

    code, out, _ = await system.cqrs("dlq", "list", "--json")
    groups = json.loads(out)["groups"]
    assert [(group["reason"], group["type"], group["count"]) for group in groups] == [
        ("unknown_type", "SuspendUser", 4),
        ("unknown_type", None, 1),
    ]
    assert await ids("--aggregate", "user/bob") == [4, 5]
    assert await ids("--queue", "commands.*") == [1, 2, 3, 5]
    assert await ids("--queue", "commands_*") == []
    assert await ids("--type", "SuspendUser", "--limit", "2") == [1, 2]
    assert await ids("--since", "2026-11-22T12:00") == [1, 2, 3, 4, 5]
    assert await ids("--until", "2026-11-22T12:00") == []

    code, out, _ = await system.cqrs("dlq", "show", "1", "--json")
    assert (code, json.loads(out)["body"]) == (0, {"user_id": "***"})
    code, out, _ = await system.cqrs("dlq", "show", "1", "--full")
    assert (code, "alice" in out) == (0, True)
    code, out, err = await system.cqrs("dlq", "show", "99")
    assert (code, out, err) == (1, "", "error: there is no dead letter 99\n")


async def test_letters_are_dropped_only_when_that_is_meant(system: System, sql: asyncpg.Connection) -> None:
    await bury(system.admin_postgres_url, [letter(str(n)) for n in range(3)])

    code, _, err = await system.cqrs("dlq", "drop", "1")
    assert (code, "--yes" in err) == (2, True)
    assert await count(sql) == 3
    code, out, _ = await system.cqrs("dlq", "drop", "1", "99", "--yes", "--json")
    assert (code, json.loads(out)) == (1, {"dropped": 1, "missing": [99]})
    code, out, _ = await system.cqrs("dlq", "drop", "--all", "--yes")
    assert (code, out) == (0, "dropped 2 dead letters\n")
    assert await count(sql) == 0


async def test_what_failed_for_a_read_model_is_seen_by_no_other_again(system: System, sql: asyncpg.Connection) -> None:
    event = letter("e-1", queue="projections.users", exchange="events", routing_key="user.UserCreated")
    await bury(system.admin_postgres_url, [event])

    code, _, err = await system.cqrs("dlq", "redrive", "--queue", "projections.users", "--yes")

    assert (code, err) == (0, "")
    assert await count(sql) == 0
    [again] = await taken(system.admin_amqp_url, "projections.users", 1)
    assert (again.message_id, again.type, again.body) == ("e-1", "SuspendUser", b'{"user_id":"alice"}')
    assert await taken(system.admin_amqp_url, "projections.command_status", 1, seconds=0.3) == []


async def test_what_the_broker_does_not_take_stays(system: System, sql: asyncpg.Connection) -> None:
    nowhere = letter("1", queue="projections.gone")
    lost = letter("2", queue="dead-letters", exchange="dead-letters")
    await bury(system.admin_postgres_url, [nowhere, lost, letter("3")])

    code, out, _ = await system.cqrs("dlq", "redrive", "1", "2", "--yes", "--json", "--no-probe")

    assert (code, [each["id"] for each in json.loads(out)["failed"]]) == (1, [2, 1])
    assert await count(sql) == 3


async def test_letters_go_out_in_their_order_and_not_faster_than_the_rate(
    system: System, sql: asyncpg.Connection, engine: AsyncEngine
) -> None:
    await bury(system.admin_postgres_url, [letter(f"m-{n}") for n in range(20)])
    ids = await DeadLetterStore(engine).ids(Selection())
    async with operator_connection(system.ops_amqp_url) as connection, AmqpPublisher(connection) as publisher:
        redrive = Redrive(engine, publisher, rate=20.0)
        began = time.monotonic()
        await redrive.run(ids)
        passed = time.monotonic() - began

    assert 0.85 <= passed < 5.0
    assert redrive.done.redriven == 20
    arrived = [
        each.message_id
        for queue in ("commands.0", "commands.1")
        for each in await taken(system.admin_amqp_url, queue, 20, seconds=1.0)
    ]
    assert arrived == [f"m-{n}" for n in range(20)]


async def test_a_letter_that_failed_again_meanwhile_is_not_lost(
    system: System, sql: asyncpg.Connection, engine: AsyncEngine
) -> None:
    store = DeadLetterStore(engine)
    await bury(system.admin_postgres_url, [letter("1"), letter("2")])
    read = await store.letters(Selection())
    await sql.execute("UPDATE dead_letters SET last_seen = now(), attempts = attempts + 1 WHERE id = 1")

    assert await store.remove_unchanged(read) == {2}
    assert await store.ids(Selection()) == [1]


async def test_the_first_one_that_fails_again_before_its_row_is_gone_is_told(
    system: System, sql: asyncpg.Connection, engine: AsyncEngine
) -> None:
    """The letter stays as the one that it is, with what is wrong with it now."""
    first = letter("1")
    await bury(system.admin_postgres_url, [first, letter("2")])

    async with operator_connection(system.ops_amqp_url) as connection, AmqpPublisher(connection) as publisher:

        class FailsAgainAtOnce(AmqpPublisher):
            async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
                results = await publisher.publish(envelopes)
                await bury(system.admin_postgres_url, [replace(first, reason="handler_failed")])
                return results

        redrive = Redrive(engine, FailsAgainAtOnce(connection))
        await redrive.probed([1, 2], timeout=20.0)

    assert redrive.done.probe is not None
    assert (redrive.done.probe.fate, redrive.done.probe.detail["reason"]) == (Fate.CAME_BACK, "handler_failed")
    assert (redrive.done.came_back, redrive.done.left) == (1, 1)
    rows = await sql.fetch("SELECT id, reason, attempts FROM dead_letters ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, "handler_failed", 2), (2, "unknown_type", 1)]


async def test_a_redrive_that_was_interrupted_is_run_again(
    system: System, sql: asyncpg.Connection, engine: AsyncEngine
) -> None:
    await bury(system.admin_postgres_url, [letter(f"m-{n}") for n in range(30)])
    ids = await DeadLetterStore(engine).ids(Selection())
    async with operator_connection(system.ops_amqp_url) as connection, AmqpPublisher(connection) as publisher:
        first = Redrive(engine, publisher, rate=10.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await first.run(ids)
        second = Redrive(engine, publisher)
        await second.run(ids)

    assert 0 < first.done.redriven < 30
    assert second.done.redriven >= 30 - first.done.redriven - 1
    assert second.done.is_complete
    assert await count(sql) == 0
