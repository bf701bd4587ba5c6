"""Section 2 of the contract, by a client that shares no code with the system."""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pika
import pytest

from tests.e2e.plain_client import PlainClient


@pytest.fixture
def client(stack_env: dict[str, str]) -> Iterator[PlainClient]:
    with PlainClient(stack_env["CQRS_AMQP_URL"]) as plain:
        yield plain


@pytest.fixture
def alice() -> dict[str, str]:
    """A user nobody has seen before."""
    user_id = f"alice-{uuid.uuid4().hex[:12]}"
    return {"user_id": user_id, "name": "Alice Liddell", "email": f"{user_id}@Example.com"}


def token_of(outcome: dict[str, Any]) -> dict[str, str]:
    assert outcome["status"] == "accepted", outcome
    return {"consistency-token": outcome["consistency_token"]}


def rejection(outcome: dict[str, Any]) -> str:
    assert outcome["status"] == "rejected", outcome
    assert outcome["error"]["message"]
    return str(outcome["error"]["code"])


def failure(answer: dict[str, Any]) -> str:
    assert answer["status"] == "error", answer
    assert answer["error"]["message"]
    return str(answer["error"]["code"])


def test_a_created_user_is_read_at_once_by_its_token(client: PlainClient, alice: dict[str, str]) -> None:
    message_id = str(uuid.uuid4())
    outcome = client.command("CreateUser", alice, message_id=message_id)

    assert outcome == {
        "status": "accepted",
        "command_id": message_id,
        "aggregate_id": alice["user_id"],
        "version": 1,
        "consistency_token": f"user/{alice['user_id']}@1",
    }
    answer = client.query("GetUserById", {"user_id": alice["user_id"]}, headers=token_of(outcome))
    user = answer["data"]
    assert answer["status"] == "ok"
    assert {key: user[key] for key in alice} == alice
    assert (user["status"], user["version"]) == ("active", 1)
    assert user["created_at"] == user["updated_at"]
    assert user["created_at"].endswith("Z")
    assert answer["as_of"]["version"] == 1
    assert datetime.fromisoformat(answer["as_of"]["time"]).tzinfo is not None


def test_each_command_changes_what_it_says(client: PlainClient, alice: dict[str, str]) -> None:
    me = {"user_id": alice["user_id"]}
    client.command("CreateUser", alice)
    assert client.command("UpdateUserEmail", me | {"new_email": f"new-{alice['email']}"})["version"] == 2
    assert client.command("RenameUser", me | {"name": "Al"})["version"] == 3
    outcome = client.command("DeactivateUser", me | {"reason": "asked to leave"})

    user = client.query("GetUserById", me, headers=token_of(outcome))["data"]
    assert (user["email"], user["name"], user["status"], user["version"]) == (
        f"new-{alice['email']}",
        "Al",
        "deactivated",
        4,
    )

    outcome = client.command("ReactivateUser", me)
    user = client.query("GetUserByEmail", {"email": user["email"].upper()}, headers=token_of(outcome))["data"]
    assert (user["user_id"], user["status"], user["version"]) == (alice["user_id"], "active", 5)


def test_each_rule_of_the_business_rejects_with_its_code(client: PlainClient, alice: dict[str, str]) -> None:
    me = {"user_id": alice["user_id"]}
    stranger = {"user_id": f"nobody-{uuid.uuid4().hex}"}
    for kind, extra in (
        ("UpdateUserEmail", {"new_email": "x@example.com"}),
        ("RenameUser", {"name": "X"}),
        ("DeactivateUser", {}),
        ("ReactivateUser", {}),
    ):
        assert rejection(client.command(kind, stranger | extra)) == "user_not_found"
    client.command("CreateUser", alice)
    assert (
        rejection(client.command("CreateUser", alice | {"email": "other-" + alice["email"]})) == "user_already_exists"
    )
    taken = {"user_id": f"bob-{uuid.uuid4().hex}", "name": "Bob", "email": alice["email"].upper()}
    assert rejection(client.command("CreateUser", taken)) == "email_taken"
    client.command("CreateUser", taken | {"email": "bob-" + alice["email"]})
    assert (
        rejection(client.command("UpdateUserEmail", {"user_id": taken["user_id"], "new_email": alice["email"]}))
        == "email_taken"
    )
    assert rejection(client.command("ReactivateUser", me)) == "user_active"
    client.command("DeactivateUser", me)
    for kind, extra in (
        ("UpdateUserEmail", {"new_email": "x@example.com"}),
        ("RenameUser", {"name": "X"}),
        ("DeactivateUser", {}),
    ):
        assert rejection(client.command(kind, me | extra)) == "user_deactivated"


def test_a_command_that_changes_nothing_is_accepted_without_an_event(
    client: PlainClient, alice: dict[str, str]
) -> None:
    client.command("CreateUser", alice)
    client.subscribe("user.#")

    outcome = client.command("UpdateUserEmail", {"user_id": alice["user_id"], "new_email": alice["email"]})
    after = client.command("RenameUser", {"user_id": alice["user_id"], "name": "Renamed"})

    assert (outcome["status"], outcome["version"], after["version"]) == ("accepted", 1, 2)
    client.wait_until(lambda: bool(client.events_of(alice["user_id"])))
    assert [event["type"] for _, _, event in client.events_of(alice["user_id"])] == ["UserRenamed"]


def test_the_same_message_id_again_gives_the_same_outcome_and_changes_nothing(
    client: PlainClient, alice: dict[str, str]
) -> None:
    message_id = str(uuid.uuid4())
    client.command("CreateUser", alice)
    first = client.command("RenameUser", {"user_id": alice["user_id"], "name": "Al"}, message_id=message_id)
    again = client.command("RenameUser", {"user_id": alice["user_id"], "name": "Al"}, message_id=message_id)
    other = client.command("RenameUser", {"user_id": alice["user_id"], "name": "Other"}, message_id=message_id)

    assert first == again
    assert rejection(other) == "idempotency_conflict"
    user = client.query("GetUserById", {"user_id": alice["user_id"]}, headers=token_of(first))["data"]
    assert (user["name"], user["version"]) == ("Al", 2)
    status = client.query("GetCommandStatus", {"command_id": message_id}, headers={"max-wait-ms": 5000})["data"]
    assert (status["status"], status["version"]) == ("accepted", 2)


def test_a_stale_expected_version_is_a_conflict(client: PlainClient, alice: dict[str, str]) -> None:
    client.command("CreateUser", alice)
    me = {"user_id": alice["user_id"]}
    assert client.command("RenameUser", me | {"name": "Two"}, headers={"expected-version": 1})["version"] == 2
    assert (
        rejection(client.command("RenameUser", me | {"name": "Three"}, headers={"expected-version": 1}))
        == "version_conflict"
    )


@pytest.mark.parametrize(
    ("kind", "body", "headers", "code"),
    [
        ("CreateUser", b"{not json", {}, "invalid_message"),
        ("CreateUser", b"", {}, "invalid_message"),
        ("CreateUser", {"user_id": "x"}, {}, "invalid_message"),
        ("CreateUser", {"user_id": "x", "name": "X", "email": "x@example.com", "admin": True}, {}, "invalid_message"),
        ("PromoteUser", {"user_id": "x"}, {}, "unknown_type"),
        (
            "CreateUser",
            {"user_id": "x", "name": "X", "email": "x@example.com"},
            {"schema-version": 99},
            "unsupported_version",
        ),
    ],
)
def test_a_message_that_can_never_work_is_rejected_with_its_code(
    client: PlainClient, kind: str, body: Any, headers: dict[str, Any], code: str
) -> None:
    assert rejection(client.command(kind, body, headers=headers)) == code


def test_an_outcome_comes_to_a_reply_queue_that_the_client_owns(client: PlainClient, alice: dict[str, str]) -> None:
    queue = f"reply.{uuid.uuid4()}"
    client.channel.queue_declare(queue, durable=True, arguments={"x-expires": 60_000})
    outcomes: list[dict[str, Any]] = []
    client.channel.basic_consume(queue, lambda _c, _m, _p, body: outcomes.append(json.loads(body)), auto_ack=True)

    message_id = client.send("CreateUser", alice, reply_to=queue)

    client.wait_until(lambda: bool(outcomes))
    assert (outcomes[0]["status"], outcomes[0]["command_id"]) == ("accepted", message_id)


def test_nobody_can_make_a_service_write_into_another_queue(client: PlainClient, alice: dict[str, str]) -> None:
    queue = f"subscriber.{uuid.uuid4()}"
    client.channel.queue_declare(queue, durable=True, exclusive=True)

    message_id = client.send("CreateUser", alice, reply_to=queue, correlation_id="c")
    client.channel.basic_publish(
        "queries", "query", b'{"user_id":"x"}', pika.BasicProperties(type="GetUserById", reply_to=queue)
    )

    client.query(
        "GetUserById",
        {"user_id": alice["user_id"]},
        headers={"consistency-token": f"user/{alice['user_id']}@1", "max-wait-ms": 5000},
    )
    status = client.query("GetCommandStatus", {"command_id": message_id}, headers={"max-wait-ms": 5000})["data"]
    assert status["status"] == "accepted"
    assert client.channel.queue_declare(queue, passive=True).method.message_count == 0


def test_an_event_is_one_cloudevent_that_anybody_may_subscribe_to(client: PlainClient, alice: dict[str, str]) -> None:
    client.subscribe("user.UserCreated")
    message_id = str(uuid.uuid4())
    client.command("CreateUser", alice, message_id=message_id)
    client.command("RenameUser", {"user_id": alice["user_id"], "name": "Not subscribed to"})

    client.wait_until(lambda: bool(client.events_of(alice["user_id"])))
    ((method, properties, event),) = client.events_of(alice["user_id"])
    assert method.routing_key == "user.UserCreated"
    assert properties.content_type == "application/cloudevents+json"
    assert properties.type == "UserCreated"
    assert properties.delivery_mode == 2
    assert properties.message_id == event["id"]
    assert properties.headers["aggregate-id"] == alice["user_id"]
    assert event["specversion"] == "1.0"
    assert event["source"] == "/command-service"
    assert event["type"] == "UserCreated"
    assert event["subject"] == f"user/{alice['user_id']}"
    assert event["datacontenttype"] == "application/json"
    assert (event["aggregatetype"], event["aggregateid"], event["aggregateversion"]) == ("user", alice["user_id"], 1)
    assert event["schemaversion"] == 1
    assert event["position"] > 0
    assert event["causationid"] == message_id
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event["data"] == alice


def test_an_unknown_user_is_not_found(client: PlainClient) -> None:
    assert failure(client.query("GetUserById", {"user_id": "nobody-at-all"})) == "user_not_found"
    assert failure(client.query("GetUserByEmail", {"email": "nobody@nowhere.example"})) == "user_not_found"


def test_a_version_that_has_not_come_yet_is_a_stale_read_that_may_be_retried(
    client: PlainClient, alice: dict[str, str]
) -> None:
    client.command("CreateUser", alice)

    answer = client.query(
        "GetUserById",
        {"user_id": alice["user_id"]},
        headers={"consistency-token": f"user/{alice['user_id']}@7", "max-wait-ms": 200},
    )

    assert failure(answer) == "stale_read"
    assert answer["error"]["retryable"] is True


@pytest.mark.parametrize(
    ("kind", "body", "headers", "code"),
    [
        ("GetUserById", b"{not json", {}, "invalid_message"),
        ("GetUserById", {}, {}, "invalid_message"),
        ("GetUserById", {"user_id": {"$gt": ""}}, {}, "invalid_message"),
        ("GetAllUsers", {"limit": 10**9}, {}, "invalid_message"),
        ("GetAllUsers", {"cursor": "forged"}, {}, "bad_cursor"),
        ("GetUserById", {"user_id": "x"}, {"consistency-token": "nonsense"}, "invalid_message"),
        ("DropUsers", {}, {}, "unknown_type"),
        (
            "ReadEvents",
            {"aggregates": [{"aggregate_type": "user", "aggregate_id": "x", "after_version": 0}]},
            {},
            "unknown_type",
        ),
    ],
)
def test_a_faulty_query_is_answered_with_its_code(
    client: PlainClient, kind: str, body: Any, headers: dict[str, Any], code: str
) -> None:
    assert failure(client.query(kind, body, headers=headers)) == code


def test_pages_of_all_users_hold_every_user_once_in_the_order_asked_for(client: PlainClient) -> None:
    prefix = f"page-{uuid.uuid4().hex[:8]}"
    outcomes = [
        client.command(
            "CreateUser",
            {"user_id": f"{prefix}-{n}", "name": f"{prefix} {n % 3}", "email": f"{prefix}-{n}@example.com"},
        )
        for n in range(7)
    ]
    deactivated = client.command("DeactivateUser", {"user_id": f"{prefix}-3"})
    tokens = {"consistency-token": ",".join(outcome["consistency_token"] for outcome in [*outcomes, deactivated])}
    for sort in ("created_at", "-created_at", "name", "-name"):
        for status in (None, "active", "deactivated"):
            seen: list[dict[str, Any]] = []
            page: dict[str, Any] = {"limit": 40, "sort": sort} | ({"status": status} if status else {})
            cursor = None
            while True:
                answer = client.query("GetAllUsers", page | ({"cursor": cursor} if cursor else {}), headers=tokens)
                assert answer["status"] == "ok", answer
                assert len(answer["data"]["items"]) <= 40
                seen += answer["data"]["items"]
                cursor = answer["data"].get("next_cursor")
                if cursor is None:
                    break
            ids = [user["user_id"] for user in seen]
            assert len(ids) == len(set(ids))
            field = sort.lstrip("-")
            values = [user[field].casefold() for user in seen]
            assert values == sorted(values, reverse=sort.startswith("-"))
            mine = {user_id for user_id in ids if user_id.startswith(prefix)}
            assert len(mine) == {None: 7, "active": 6, "deactivated": 1}[status]


def test_a_command_nobody_has_seen_is_of_unknown_status(client: PlainClient) -> None:
    answer = client.query("GetCommandStatus", {"command_id": str(uuid.uuid4())})

    assert (answer["status"], answer["data"]["status"]) == ("ok", "unknown")


def test_a_rejected_command_is_known_by_its_code_later(client: PlainClient) -> None:
    message_id = client.send("RenameUser", {"user_id": f"nobody-{uuid.uuid4().hex}", "name": "X"})

    def status() -> dict[str, Any]:
        data: dict[str, Any] = client.query("GetCommandStatus", {"command_id": message_id})["data"]
        return data

    client.wait_until(lambda: status()["status"] != "unknown")
    assert (status()["status"], status()["code"]) == ("rejected", "user_not_found")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("basic_publish", ("events", "user.UserCreated", b"{}")),
        ("basic_publish", ("outcomes", "x", b"{}")),
        ("basic_publish", ("event-log", "event-log", b"{}")),
        ("basic_publish", ("dead-letters", "x", b"{}")),
        ("basic_publish", ("", "projections.folded", b"{}")),
        ("queue_declare", ("mine",)),
        ("basic_get", ("commands.0",)),
        ("queue_purge", ("commands.0",)),
        ("queue_delete", ("projections.folded",)),
        ("exchange_declare", ("mine", "topic")),
    ],
)
def test_a_client_may_do_no_more_than_a_client_does(
    stack_env: dict[str, str], method: str, arguments: tuple[Any, ...]
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(stack_env["CQRS_AMQP_URL"]))
    channel = connection.channel()
    channel.confirm_delivery()

    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refusal:
        getattr(channel, method)(*arguments)

    assert refusal.value.reply_code == 403
    connection.close()
