"""SearchUsers, GetUserHistory and GetSignupStats, by a client that shares no code with the system."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.plain_client import PlainClient


@pytest.fixture
def client(stack_env: dict[str, str]) -> Iterator[PlainClient]:
    with PlainClient(stack_env["CQRS_AMQP_URL"]) as plain:
        yield plain


def new_user(name: str) -> dict[str, str]:
    """A user nobody has seen before, with a word that nobody else has."""
    word = uuid.uuid4().hex[:12]
    return {"user_id": f"user-{word}", "name": f"{name} {word}", "email": f"{word}@Example.com"}


def send(client: PlainClient, kind: str, body: dict[str, str]) -> dict[str, Any]:
    outcome = client.command(kind, body)
    assert outcome["status"] == "accepted", outcome
    return outcome


def ask(client: PlainClient, kind: str, body: dict[str, Any], *outcomes: dict[str, Any]) -> dict[str, Any]:
    """The answer's data, which shows what these outcomes tell of."""
    tokens = ",".join(outcome["consistency_token"] for outcome in outcomes)
    headers = {"consistency-token": tokens, "max-wait-ms": 5000}
    answer = client.query(kind, body, headers=headers)
    assert answer["status"] == "ok", answer
    assert datetime.fromisoformat(answer["as_of"]["time"]).tzinfo is not None
    data: dict[str, Any] = answer["data"]
    return data


def test_a_user_is_found_by_the_beginnings_of_words_as_soon_as_he_is_there(client: PlainClient) -> None:
    zoe = new_user("Zoë O'Brien")
    word = zoe["name"].split()[-1]
    outcome = send(client, "CreateUser", zoe)

    for text in (word, f"ZOE {word[:9].upper()}", f"bri {word}"):
        found = ask(client, "SearchUsers", {"text": text}, outcome)
        assert [user["user_id"] for user in found["items"]] == [zoe["user_id"]]
        assert found["next_cursor"] is None
    assert found["items"][0]["email"] == zoe["email"]

    renamed = send(client, "RenameUser", {"user_id": zoe["user_id"], "name": "Somebody Else"})
    assert ask(client, "SearchUsers", {"text": f"somebody {word}"}, renamed)["items"][0]["version"] == 2


def test_a_history_tells_what_each_command_changed(client: PlainClient) -> None:
    alice = new_user("Alice")
    me = {"user_id": alice["user_id"]}
    created = send(client, "CreateUser", alice)
    renamed = send(client, "RenameUser", me | {"name": "Al"})
    gone = send(client, "DeactivateUser", me | {"reason": "asked to leave"})

    first = ask(client, "GetUserHistory", me | {"limit": 2}, gone)
    rest = ask(client, "GetUserHistory", me | {"limit": 2, "cursor": first["next_cursor"]}, gone)

    assert rest["next_cursor"] is None
    entries = first["items"] + rest["items"]
    assert [(entry["version"], entry["type"], entry["causation_id"]) for entry in entries] == [
        (3, "UserDeactivated", gone["command_id"]),
        (2, "UserRenamed", renamed["command_id"]),
        (1, "UserCreated", created["command_id"]),
    ]
    assert entries[0]["changes"] == [
        {"field": "status", "from": "active", "to": "deactivated"},
        {"field": "reason", "from": None, "to": "asked to leave"},
    ]
    assert entries[1]["changes"] == [{"field": "name", "from": alice["name"], "to": "Al"}]


def test_sign_ups_are_counted_as_they_happen(client: PlainClient) -> None:
    today = datetime.now(UTC).date().isoformat()
    first = new_user("Counted")
    before = ask(client, "GetSignupStats", {"from": today}, send(client, "CreateUser", first))["items"][-1]

    another = send(client, "CreateUser", new_user("Counted"))
    send(client, "DeactivateUser", {"user_id": first["user_id"]})
    send(client, "ReactivateUser", {"user_id": first["user_id"]})
    gone = send(client, "DeactivateUser", {"user_id": first["user_id"]})
    after = ask(client, "GetSignupStats", {"from": today}, another, gone)["items"][-1]

    if after["bucket"] == before["bucket"]:  # and not a new day
        counters = ("signups", "deactivations", "reactivations", "active_total")
        assert [after[name] - before[name] for name in counters] == [1, 2, 1, 0]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("SearchUsers", {"text": "–"}, "invalid_message"),
        ("SearchUsers", {"text": {"$regex": ".*"}}, "invalid_message"),
        ("SearchUsers", {"text": "a", "cursor": "nonsense"}, "bad_cursor"),
        ("GetUserHistory", {"user_id": "nobody-at-all"}, "user_not_found"),
        ("GetUserHistory", {"user_id": "alice", "cursor": "nonsense"}, "bad_cursor"),
        ("GetSignupStats", {"from": "2026-02-30"}, "invalid_message"),
        ("GetSignupStats", {"from": "2026-02-02", "to": "2026-02-01"}, "invalid_message"),
        ("GetSignupStats", {"bucket": "hour"}, "invalid_message"),
    ],
)
def test_what_can_not_be_asked_is_told_so(client: PlainClient, kind: str, body: dict[str, Any], code: str) -> None:
    answer = client.query(kind, body)

    assert (answer["status"], answer["error"]["code"]) == ("error", code)
