"""From a command on the broker to its outcome, its event and its rows."""

import json
from datetime import datetime
from uuid import uuid4

import aio_pika
import asyncpg

from tests.integration.command.client import Client, code, create
from tests.integration.command.conftest import Start
from tests.integration.command.running import eventually


async def test_a_command_changes_the_user_is_logged_published_and_answered(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    events = await client.subscribe("events", "user.UserCreated")
    async with start():
        outcome = await client.command(
            "CreateUser",
            create("alice"),
            message_id="0192F0C1-2D3E-7A4B-8C5D-100000000001",
            headers={"traceparent": traceparent},
        )
        (message,) = await events.take(1)
    assert outcome == {
        "status": "accepted",
        "command_id": "0192f0c1-2d3e-7a4b-8c5d-100000000001",
        "aggregate_id": "alice",
        "version": 1,
        "consistency_token": "user/alice@1",
    }
    event = json.loads(message.body)
    assert (message.exchange, message.routing_key, message.type) == ("events", "user.UserCreated", "UserCreated")
    assert message.content_type == "application/cloudevents+json"
    assert message.headers == {"aggregate-id": "alice", "traceparent": traceparent}
    assert message.message_id == event["id"]
    assert message.delivery_mode == 2
    assert event["data"] == create("alice")
    assert (event["subject"], event["aggregateversion"], event["position"]) == ("user/alice", 1, 1)
    assert event["causationid"] == outcome["command_id"]
    (user,) = await sql.fetch("SELECT * FROM users")
    assert (user["name"], user["email"], user["status"], user["version"]) == ("Alice", "alice@example.com", "active", 1)
    (logged,) = await sql.fetch("SELECT * FROM events")
    assert str(logged["event_id"]) == event["id"]
    assert logged["time"] == user["created_at"] == user["updated_at"]
    assert json.loads(await sql.fetchval("SELECT outcome FROM inbox")) == outcome
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_each_rule_rejects_with_its_code(start: Start, client: Client) -> None:
    async with start():
        assert code(await client.command("CreateUser", create("alice"))) == "accepted"
        for type_, body, expected in (
            ("CreateUser", create("alice"), "user_already_exists"),
            ("CreateUser", create("bob", email="ALICE@example.com"), "email_taken"),
            ("RenameUser", {"user_id": "bob", "name": "B"}, "user_not_found"),
            ("ReactivateUser", {"user_id": "alice"}, "user_active"),
            ("DeactivateUser", {"user_id": "alice"}, "accepted"),
            ("RenameUser", {"user_id": "alice", "name": "B"}, "user_deactivated"),
            ("ReactivateUser", {"user_id": "alice"}, "accepted"),
            ("UpdateUserEmail", {"user_id": "alice", "new_email": "alice@example.com"}, "accepted"),
        ):
            assert code(await client.command(type_, body)) == expected, (type_, body)
        conflict = await client.command(
            "RenameUser", {"user_id": "alice", "name": "B"}, headers={"expected-version": 2}
        )
    assert code(conflict) == "version_conflict"
    assert conflict["error"]["details"] == {"expected": 2, "actual": 3}


async def test_the_outcomes_of_a_batch_are_announced_in_one_message(start: Start, client: Client) -> None:
    """With an event or without one; which is last in the log is told with them."""
    outcomes = await client.subscribe("outcomes")
    ids = [
        await client.send(type_, body, key="same-queue")
        for type_, body in (
            ("CreateUser", create("alice")),
            ("RenameUser", {"user_id": "nobody", "name": "N"}),
            ("RenameUser", {"user_id": "alice", "name": "Al"}),
        )
    ]
    async with start():
        told = [await client.outcome(id_) for id_ in ids]
        (message,) = await outcomes.take(1)
    assert (message.exchange, message.type) == ("outcomes", "CommandOutcomes")
    body = json.loads(message.body)
    assert (body["position"], body["outcomes"]) == (2, told)
    assert datetime.fromisoformat(body["time"]).tzinfo is not None


async def test_a_repeated_command_has_one_effect_and_the_same_outcome(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    message_id = str(uuid4())
    body = create("alice")
    await client.send("CreateUser", body, message_id=message_id)
    await client.send("CreateUser", body, message_id=message_id)  # these two in one batch
    await client.send("CreateUser", create("alice", name="Other"), message_id=message_id)
    async with start():
        first, second = await client.outcome(message_id), await client.outcome(message_id, number=2)
        assert code(await client.outcome(message_id, number=3)) == "idempotency_conflict"
        await client.send("CreateUser", body, message_id=message_id)
        assert first == second == await client.outcome(message_id, number=4)
    assert await sql.fetchval("SELECT count(*) FROM events") == 1
    assert await sql.fetchval("SELECT name FROM users") == "Alice"


async def test_users_swap_their_addresses_in_one_batch(start: Start, client: Client, sql: asyncpg.Connection) -> None:
    async with start():
        await client.command("CreateUser", create("alice", email="a@example.com"))
        await client.command("CreateUser", create("bob", email="b@example.com"))
    ids = [
        await client.send("UpdateUserEmail", {"user_id": user_id, "new_email": email}, key="same-queue")
        for user_id, email in (("alice", "c@example.com"), ("bob", "a@example.com"), ("alice", "b@example.com"))
    ]
    async with start():
        assert [code(await client.outcome(id_)) for id_ in ids] == ["accepted"] * 3
    rows = await sql.fetch("SELECT user_id, email FROM users ORDER BY user_id")
    assert [tuple(row) for row in rows] == [("alice", "b@example.com"), ("bob", "a@example.com")]


async def test_messages_that_can_never_work_are_dead_letters_and_the_good_ones_between_them_are_done(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    good = []
    bad: dict[str, str] = {}
    for number in range(30):
        key = f"u{number}"
        good.append(await client.send("CreateUser", create(key), key="same-queue"))
        match number % 5:
            case 0:
                bad[await client.send("CreateUser", b"not json", key="same-queue")] = "invalid_message"
            case 1:
                bad[await client.send("CreateUser", create("x") | {"admin": "yes"}, key="same-queue")] = (
                    "invalid_message"
                )
            case 2:
                bad[await client.send("PromoteUser", create("x"), key="same-queue")] = "unknown_type"
            case 3:
                id_ = await client.send("CreateUser", create("x"), key="same-queue", headers={"schema-version": 9})
                bad[id_] = "unsupported_version"
            case 4:
                await client.send("CreateUser", create("x"), key="same-queue", message_id="", correlation_id=key)
                bad[key] = "invalid_message"
    async with start():
        assert [code(await client.outcome(id_)) for id_ in good] == ["accepted"] * 30
        assert {id_: code(await client.outcome(id_)) for id_ in bad} == bad
    letters = await sql.fetch("SELECT * FROM dead_letters ORDER BY id")
    assert [letter["reason"] for letter in letters] == list(bad.values())
    assert letters[0]["body"] == b"not json"
    assert letters[0]["exchange"] == "commands"
    assert letters[0]["routing_key"] == "same-queue"
    assert letters[0]["queue"].startswith("commands.")
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 30


async def test_an_unwanted_reply_address_costs_the_reply_and_nothing_else(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    for number, address in enumerate(("projections.users", "amq.rabbitmq.reply-to.garbage!", "x" * 255, "reply.gone")):
        await client.send("CreateUser", create(f"u{number}"), reply_to=address)
    async with start() as service:
        await eventually(lambda: sql.fetchval("SELECT count(*) = 4 FROM inbox"))
        assert code(await client.command("CreateUser", create("alice"))) == "accepted"
        refused = service.registry.get_sample_value("command_replies_refused_total")
    assert refused == 3
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_a_command_whose_time_ran_out_is_expired(start: Start, client: Client, sql: asyncpg.Connection) -> None:
    id_ = await client.send("CreateUser", create("alice"), expiration=0.001)
    async with start():
        assert code(await client.outcome(id_)) == "expired"
        await client.send("CreateUser", create("alice"), message_id=id_)
        assert code(await client.outcome(id_, number=2)) == "expired"
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await sql.fetchval("SELECT outcome->'error'->>'code' FROM inbox") == "expired"


async def test_what_the_query_service_cannot_process_is_kept_with_its_reason(
    start: Start, client: Client, sql: asyncpg.Connection
) -> None:
    exchange = await client.channel.get_exchange("dead-letters", ensure=False)
    headers = {
        "dead-letter-reason": "undecodable",
        "dead-letter-detail": "no version",
        "dead-letter-queue": "projections.users",
    }
    await exchange.publish(aio_pika.Message(b"\xff\x00", headers=dict(headers), type="Odd"), "user.Odd")
    async with start():
        await eventually(lambda: sql.fetchval("SELECT count(*) = 1 FROM dead_letters"))
    (letter,) = await sql.fetch("SELECT * FROM dead_letters")
    assert (letter["reason"], letter["detail"], letter["queue"]) == ("undecodable", "no version", "projections.users")
    assert (letter["body"], letter["type"], letter["routing_key"]) == (b"\xff\x00", "Odd", "user.Odd")
