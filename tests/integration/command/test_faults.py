"""What fails, and what becomes of the commands it hits."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from services.command.aggregates import Recorded
from services.command.bootstrap import command_bus
from services.command.command_bus import CommandBus
from services.command.domain.decision import Rejection
from services.command.handlers.create_user import create_user
from services.command.handlers.users import Users
from services.command.pipeline import clearing
from services.command.pipeline.dead_letter_reception import receive_dead_letter
from services.command.pipeline.execution import MAX_ATTEMPTS
from services.command.pipeline.reception import receive_command
from shared.contracts.commands import CreateUser
from shared.messaging.envelope import Delivery
from shared.messaging.ports import PublishFailure
from tests.integration.command.client import Client, code, create
from tests.integration.command.conftest import Start
from tests.integration.command.parts import QUEUE, Parts, parts
from tests.integration.command.running import eventually

FAILING_TRIGGER = """
    CREATE SEQUENCE failures;
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF nextval('failures') <= {times} THEN RAISE EXCEPTION 'again' USING ERRCODE = '{code}'; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER fail AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail();
"""
NO_TRIGGER = "DROP TRIGGER IF EXISTS fail ON events; DROP FUNCTION IF EXISTS fail; DROP SEQUENCE IF EXISTS failures"
EVENTS_LEFT = "SELECT count(*) FROM outbox WHERE exchange = 'events'"


@pytest.fixture
async def wired(sql: asyncpg.Connection, service_database: str) -> AsyncIterator[Parts]:
    async with parts(service_database) as built:
        yield built


def command(body: dict[str, str], type_: str = "CreateUser", message_id: str | None = None) -> Delivery:
    return Delivery(
        queue=QUEUE,
        session=0,
        delivery_tag=0,
        redelivered=False,
        exchange="commands",
        routing_key=body["user_id"],
        body=json.dumps(body).encode(),
        type=type_,
        message_id=message_id or str(uuid4()),
        reply_to="reply.me",
    )


def outcomes(wired: Parts) -> list[str]:
    return [code(json.loads(reply.body)) for reply in wired.broker.messages("reply.me")]


def published(wired: Parts) -> list[tuple[str, int]]:
    events = [json.loads(message.body) for message in wired.broker.messages("events")]
    return [(event["aggregateid"], event["aggregateversion"]) for event in events]


async def test_an_address_wanted_by_two_processes_at_once_goes_to_exactly_one_user(
    wired: Parts, sql: asyncpg.Connection, service_database: str
) -> None:
    async with parts(service_database) as other:
        for number in range(60):
            email = f"shared{number}@example.com"
            wired.broker.put(QUEUE, command(create(f"a{number}", email=email)))
            other.broker.put(QUEUE, command(create(f"b{59 - number}", email=f"shared{59 - number}@example.com")))
        async with wired.processing(max_batch=20), other.processing(max_batch=20):
            await eventually(lambda: sql.fetchval("SELECT count(*) = 120 FROM inbox"))
        assert sorted(outcomes(wired) + outcomes(other)) == ["accepted"] * 60 + ["email_taken"] * 60
    assert await sql.fetchval("SELECT count(*) FROM events") == 60
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_the_same_commands_in_two_processes_at_once_are_applied_once(
    wired: Parts, sql: asyncpg.Connection, service_database: str
) -> None:
    commands = [command(create(f"u{number}")) for number in range(40)]
    commands += [command({"user_id": f"u{number}", "name": "Renamed"}, "RenameUser") for number in range(40)]
    async with parts(service_database) as other:
        for wanted in commands:
            wired.broker.put(QUEUE, wanted)
            other.broker.put(QUEUE, wanted)
        async with wired.processing(max_batch=16), other.processing(max_batch=16):
            pass
        assert outcomes(wired) == outcomes(other) == ["accepted"] * 80
    assert await sql.fetchval("SELECT count(*) FROM events") == 80
    assert await sql.fetchval("SELECT min(version) = 2 AND max(version) = 2 FROM users")
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_a_faulty_handler_costs_its_own_command_only(wired: Parts, sql: asyncpg.Connection) -> None:
    def faulty(wanted: CreateUser, users: Users) -> Recorded | Rejection:
        if wanted.user_id == "u13":
            raise KeyError(wanted.email)
        return create_user(wanted, users)

    bus = CommandBus()
    bus.register(CreateUser, faulty)
    for number in range(30):
        wired.broker.put(QUEUE, command(create(f"u{number}")))
    async with wired.processing(bus):
        await eventually(lambda: sql.fetchval("SELECT count(*) = 1 FROM dead_letters"))
    assert outcomes(wired) == ["accepted"] * 29
    letter = await sql.fetchrow("SELECT reason, detail, attempts FROM dead_letters")
    assert letter is not None
    assert tuple(letter) == ("handler_failed", "KeyError: KeyError", MAX_ATTEMPTS)
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 29
    assert not wired.broker.messages(QUEUE)


@pytest.mark.parametrize(("sqlstate", "times"), [("40001", 3), ("40P01", 3), ("53100", 3), ("57014", 3)])
async def test_a_failure_of_the_store_is_retried_and_nothing_is_buried(
    start: Start, client: Client, sql: asyncpg.Connection, sqlstate: str, times: int
) -> None:
    await sql.execute(FAILING_TRIGGER.format(times=times, code=sqlstate))
    try:
        async with start() as service:
            id_ = await client.send("CreateUser", create("alice"))
            trouble: list[str] = []

            async def troubled() -> bool:
                trouble.extend(filter(None, [service.health.report()["database: commands"]]))
                return bool(trouble)

            await eventually(troubled)
            assert code(await client.outcome(id_)) == "accepted"
            assert service.health.ready
        assert sqlstate in trouble[0]
        assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0
    finally:
        await sql.execute(NO_TRIGGER)


async def test_a_command_that_the_store_refuses_every_time_is_a_dead_letter(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    await sql.execute(FAILING_TRIGGER.format(times=MAX_ATTEMPTS, code="22023"))
    try:
        async with start():
            await client.send("CreateUser", create("alice"))
            await eventually(lambda: sql.fetchval("SELECT count(*) = 1 FROM dead_letters"))
            assert code(await client.command("CreateUser", create("bob"))) == "accepted"
        letter = await sql.fetchrow("SELECT reason, detail, attempts FROM dead_letters")
        assert letter is not None
        assert (letter["reason"], letter["attempts"]) == ("handler_failed", MAX_ATTEMPTS)
        assert "22023" in letter["detail"]
    finally:
        await sql.execute(NO_TRIGGER)


async def test_a_terminated_connection_in_the_middle_of_a_batch_is_survived(
    start: Start, client: Client, sql: asyncpg.Connection, admin_database: str
) -> None:
    backends = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'command'"
    async with start():
        await client.command("CreateUser", create("alice"))
        locker = await asyncpg.connect(admin_database.replace("+asyncpg", ""))
        await locker.execute("BEGIN; SELECT * FROM users FOR UPDATE")
        id_ = await client.send("RenameUser", {"user_id": "alice", "name": "Al"})
        await eventually(lambda: sql.fetchval(f"SELECT EXISTS ({backends} AND wait_event_type = 'Lock')"))
        await sql.execute(f"SELECT pg_terminate_backend(pid) FROM ({backends}) AS backend")
        await locker.execute("COMMIT")
        await locker.close()
        assert (await client.outcome(id_))["version"] == 2
    assert await sql.fetchval("SELECT count(*) FROM events") == 2
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_what_a_dead_process_left_is_swept(start: Start, client: Client, wired: Parts) -> None:
    """Killed after the commit: nothing published, replied or acknowledged."""
    wanted = [command(create(f"u{number}")) for number in range(5)]
    await wired.transaction([receive_command(command_bus(), one) for one in wanted])
    events = await client.subscribe("events")
    async with start():
        messages = await events.take(5)
        again = await client.send("CreateUser", create("u0"), message_id=wanted[0].message_id)
        assert code(await client.outcome(again)) == "accepted"
    assert [json.loads(message.body)["aggregateid"] for message in messages] == [f"u{number}" for number in range(5)]


async def test_the_next_command_takes_along_what_was_left_of_its_aggregate(
    wired: Parts, sql: asyncpg.Connection
) -> None:
    wired.broker.fail_publishes(PublishFailure.UNCONFIRMED)
    async with wired.processing():
        wired.broker.put(QUEUE, command(create("alice")))
        wired.broker.put(QUEUE, command(create("bob")))
        await eventually(lambda: asyncio.sleep(0, len(outcomes(wired)) == 2))
        wired.broker.put(QUEUE, command({"user_id": "alice", "name": "Al"}, "RenameUser"))
        await eventually(lambda: asyncio.sleep(0, len(outcomes(wired)) == 3))
        wired.broker.fail_publishes(None)
        wired.broker.put(QUEUE, command({"user_id": "alice"}, "DeactivateUser"))
        await eventually(lambda: asyncio.sleep(0, len(outcomes(wired)) == 4))
    assert published(wired) == [("alice", 1), ("alice", 2), ("alice", 3)]
    assert await sql.fetchval(EVENTS_LEFT) == 1
    assert not wired.broker.messages(QUEUE)

    await wired.sweep().sweep()
    assert published(wired)[-1] == ("bob", 1)
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_is_published_and_not_cleared_yet_is_not_published_again(
    wired: Parts, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "GATHER_SECONDS", 60)
    async with wired.processing():
        wired.broker.put(QUEUE, command(create("alice")))
        await eventually(lambda: asyncio.sleep(0, len(outcomes(wired)) == 1))
        assert await sql.fetchval(EVENTS_LEFT) == 1
        wired.broker.put(QUEUE, command({"user_id": "alice", "name": "Al"}, "RenameUser"))
        await eventually(lambda: asyncio.sleep(0, len(outcomes(wired)) == 2))
    assert published(wired) == [("alice", 1), ("alice", 2)]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_the_sweep_leaves_what_is_young_and_what_is_not_confirmed(wired: Parts, sql: asyncpg.Connection) -> None:
    await wired.transaction([receive_command(command_bus(), command(create(f"u{n}"))) for n in range(7)])
    assert await wired.sweep(grace=60).sweep() == 0
    wired.broker.fail_publishes(PublishFailure.REFUSED)
    assert await wired.sweep(page=3).sweep() == 0
    assert await sql.fetchval(EVENTS_LEFT) == 7
    wired.broker.fail_publishes(None)
    assert await wired.sweep(page=3).sweep() == 7 + 1, "and the message of their outcomes"
    assert published(wired) == [(f"u{n}", 1) for n in range(7)]


async def test_one_process_sweeps_at_a_time(wired: Parts, sql: asyncpg.Connection) -> None:
    await wired.transaction([receive_command(command_bus(), command(create(f"u{n}"))) for n in range(7)])
    swept = await asyncio.gather(*(wired.sweep().sweep() for _ in range(4)))
    assert sum(swept) == 7 + 1, "and the message of their outcomes"
    assert len(published(wired)) == 7
    assert await sql.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_a_message_is_one_dead_letter_whoever_buries_it_and_however_often(
    wired: Parts, sql: asyncpg.Connection
) -> None:
    """Killed between commit and ack; or taken over, and the sleeper buries its own first delivery after the other."""
    bad = command({"user_id": "alice"})
    again = replace(bad, redelivered=True, headers={"x-delivery-count": 1})
    for deliveries in ([again], [bad], [bad, again, bad], [replace(bad, headers={"schema-version": 1})]):
        await wired.transaction([receive_command(command_bus(), delivery) for delivery in deliveries])
    rows = await sql.fetch("SELECT attempts, first_seen < last_seen AS more_than_once FROM dead_letters ORDER BY id")
    assert [tuple(row) for row in rows] == [(5, True), (1, False)]


async def test_two_processes_that_bury_the_same_at_once_leave_one_letter_of_each(
    wired: Parts, sql: asyncpg.Connection, service_database: str
) -> None:
    bad = [command({"user_id": f"u{number}"}) for number in range(200)]
    async with parts(service_database) as other:
        for delivery in bad:
            wired.broker.put(QUEUE, delivery)
            other.broker.put(QUEUE, delivery)
        async with wired.processing(max_batch=7), other.processing(max_batch=11):
            await eventually(lambda: sql.fetchval("SELECT coalesce(sum(attempts), 0) = 400 FROM dead_letters"))
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 200


async def test_a_letter_tells_the_last_reason(wired: Parts, sql: asyncpg.Connection) -> None:
    """Another release of the service, or the broker, may give up on it for another one."""
    promote = command({"user_id": "alice"}, "PromoteUser")
    died = {
        "x-death": [{"queue": QUEUE, "exchange": "commands", "routing-keys": ["alice"], "reason": "delivery_limit"}]
    }
    await wired.transaction([receive_command(command_bus(), promote)])
    await wired.transaction(
        [receive_dead_letter(command_bus(), replace(promote, queue="dead-letters", exchange="", headers=died))]
    )
    rows = await sql.fetch("SELECT queue, reason, attempts FROM dead_letters")
    assert [tuple(row) for row in rows] == [(QUEUE, "delivery_limit", 2)]


async def test_after_a_lost_connection_to_the_broker_everything_is_done_once(
    wired: Parts, sql: asyncpg.Connection
) -> None:
    commands = [command(create(f"u{number}")) for number in range(300)]
    for wanted in commands:
        wired.broker.put(QUEUE, wanted)
    async with wired.processing(max_batch=20):
        for _ in range(5):
            await asyncio.sleep(0.02)
            wired.broker.drop_connections()
        await eventually(lambda: sql.fetchval("SELECT count(*) = 300 FROM inbox"))
    assert await sql.fetchval("SELECT count(*) FROM events") == 300
    assert not wired.broker.messages(QUEUE)
    assert set(outcomes(wired)) == {"accepted"}
