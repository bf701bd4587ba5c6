"""A batch reads in one statement and writes in another, with nothing locked in between."""

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.command.bootstrap import STORES, command_bus, utc_now
from services.command.ids import new_id
from services.command.pipeline.arrivals import Arrival
from services.command.pipeline.reception import receive_command
from services.command.pipeline.transaction import BatchTransaction
from services.command.postgres import inbox
from services.command.postgres.failures import is_conflict, is_transient
from services.command.postgres.outbox import Stored
from services.command.postgres.reading import Reading, read_together
from services.command.postgres.users import OWNERS, USERS
from tests.chaos.faults.lost_reply import BATCH, COMMITTED
from tests.integration.command.parts import Parts, parts
from tests.support.reply_loss import ReplyLoss
from tests.support.tcp_proxy import TcpProxy
from tests.unit.command.deliveries import SOME_ID, delivery

receive = partial(receive_command, command_bus())


@pytest.fixture
async def wired(sql: asyncpg.Connection, service_database: str) -> Any:
    async with parts(service_database) as built:
        yield built


def create(user_id: str, **properties: Any) -> Arrival:
    body = {"user_id": user_id, "name": user_id.title(), "email": f"{user_id}@example.com"}
    return receive(delivery(body, routing_key=user_id, **properties))


def rename(user_id: str, name: str, **properties: Any) -> Arrival:
    return receive(delivery({"user_id": user_id, "name": name}, routing_key=user_id, type="RenameUser", **properties))


def overtaken(wired: Parts, quicker: Callable[[], Awaitable[Any]]) -> BatchTransaction:
    """A process that is stopped between reading and writing while another one commits."""

    class Slow(BatchTransaction):
        async def _write(self, *arguments: Any) -> Sequence[Stored]:
            await quicker()
            return await super()._write(*arguments)

    return Slow(wired.engine, command_bus(), STORES, clock=utc_now, new_id=new_id)


async def test_who_stops_between_reading_and_writing_holds_nobody_up_and_overwrites_nothing(
    wired: Parts, sql: asyncpg.Connection
) -> None:
    await wired.transaction([create("alice"), create("bob")])
    slow = overtaken(wired, lambda: wired.transaction([rename("alice", "Quick")]))

    with pytest.raises(IntegrityError) as raised:
        await slow([rename("bob", "Slow"), rename("alice", "Slow")])

    assert is_conflict(raised.value)
    assert await sql.fetchval("SELECT array_agg(name || version ORDER BY name) FROM users") == ["Bob1", "Quick2"]
    assert await sql.fetchval("SELECT count(*) FROM events") == 3
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 3


async def test_a_command_that_another_process_commits_meanwhile_is_not_applied_again(
    wired: Parts, sql: asyncpg.Connection
) -> None:
    same = create("alice", message_id=str(SOME_ID))
    slow = overtaken(wired, lambda: wired.transaction([same]))

    with pytest.raises(IntegrityError) as raised:
        await slow([same])

    assert is_conflict(raised.value)
    assert (await wired.transaction([same])).counts == [("CreateUser", "duplicate")]
    assert await sql.fetchval("SELECT count(*) FROM events") == 1


async def test_what_the_sweep_would_publish_is_what_is_published(wired: Parts, sql: asyncpg.Connection) -> None:
    await wired.transaction([create("taken")])
    batch = [create(f"{number:x}") for number in (7, 3, 11, 5)]
    batch += [rename("3", "Three"), rename("7", "Ü \\ 🙂"), rename("3", "Four"), create("taken"), rename("nobody", "N")]

    committed = await wired.transaction(batch)

    rows = await sql.fetch(
        "SELECT id, message_id, body FROM outbox WHERE id >= $1 ORDER BY id", committed.promised[0].id
    )
    promised = [(message.id, message.envelope.message_id, message.envelope.body) for message in committed.promised]
    assert promised == [tuple(row) for row in rows]
    *events, outcomes = [json.loads(row["body"]) for row in rows]
    logged = await sql.fetch("SELECT event_id::text AS id, position FROM events")
    positions = {row["id"]: row["position"] for row in logged}
    assert len(events) == 7
    assert [event["position"] for event in events] == [positions[event["id"]] for event in events]
    assert outcomes["position"] == max(positions.values())
    assert len(outcomes["outcomes"]) == len(batch)


async def test_a_batch_without_events_tells_of_no_position(wired: Parts, sql: asyncpg.Connection) -> None:
    (promised,) = (await wired.transaction([rename("nobody", "N")])).promised

    assert json.loads(promised.envelope.body)["position"] is None
    assert await sql.fetchval("SELECT body FROM outbox") == promised.envelope.body


async def test_a_letter_is_written_with_the_commands_beside_it(wired: Parts, sql: asyncpg.Connection) -> None:
    broken = receive(delivery(b"not JSON"))

    committed = await wired.transaction([create("alice"), broken, rename("alice", "Al"), broken])

    assert committed.buried == ["invalid_message"] * 2
    assert tuple(await sql.fetchrow("SELECT attempts, first_seen = last_seen FROM dead_letters")) == (2, True)  # type: ignore[arg-type]
    assert await sql.fetchval("SELECT version FROM users") == 2


async def test_rows_of_different_tables_are_read_each_with_its_own(wired: Parts) -> None:
    ids = [new_id() for _ in range(2)]
    await wired.transaction([create("alice", message_id=str(ids[0])), create("bob", message_id=str(ids[1]))])
    users = Reading(USERS, {"user_ids": ["alice", "nobody"]})
    owners = Reading(OWNERS, {"email_keys": ["bob@example.com"]})

    async with wired.engine.connect() as connection:
        known, found, owned = await read_together(connection, [inbox.reading([*ids, UUID(int=0)]), users, owners])
        (alone,) = await read_together(connection, [users])
        nothing = await read_together(connection, [])

    assert inbox.known(known).keys() == set(ids)
    assert [tuple(row) for row in found] == [("alice", "Alice", "alice@example.com", "active", 1)]
    assert [tuple(row) for row in alone] == [tuple(row) for row in found]
    assert [tuple(row) for row in owned] == [("bob@example.com", "bob")]
    assert nothing == []


async def test_a_batch_whose_commit_is_not_heard_of_is_known_when_it_comes_again(
    sql: asyncpg.Connection, service_database: str
) -> None:
    loss = ReplyLoss(COMMITTED, request=BATCH)
    same, url = create("alice", message_id=str(SOME_ID)), make_url(service_database)
    assert url.port is not None
    async with TcpProxy(url.port) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        async with parts(through) as wired:
            await wired.transaction([create("bob")])
            proxy.lose_replies(loss)
            with pytest.raises(DBAPIError) as raised:
                await wired.transaction([same])

            assert is_transient(raised.value)
            assert (await wired.transaction([same])).counts == [("CreateUser", "duplicate")]

    assert loss.count == 1
    assert await sql.fetchval("SELECT count(*) FROM events") == 2
