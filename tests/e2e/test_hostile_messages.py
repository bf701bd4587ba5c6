"""What can never work meets its fate, and the good messages around it are handled as if it were not there.

The 66 bad inputs are in `tests/hostile`; these are what a client that errs sends.
"""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
import pika
import pytest

from tests.e2e.plain_client import PlainClient
from tests.support.oracle import plain_postgres_url


@pytest.fixture
def client(stack_env: dict[str, str]) -> Iterator[PlainClient]:
    with PlainClient(stack_env["CQRS_AMQP_URL"]) as plain:
        yield plain


def dead_letters(stack_env: dict[str, str], key: str) -> list[tuple[str, str]]:
    """(reason, body's first bytes) of every dead letter that was published with that routing key."""

    async def read() -> list[tuple[str, str]]:
        connection = await asyncpg.connect(plain_postgres_url(stack_env["CQRS_POSTGRES_URL"]))
        try:
            rows = await connection.fetch("SELECT reason, body FROM dead_letters WHERE routing_key = $1", key)
        finally:
            await connection.close()
        return [(row["reason"], bytes(row["body"][:20]).decode(errors="replace")) for row in rows]

    return asyncio.run(read())


def create(user_id: str) -> dict[str, str]:
    return {"user_id": user_id, "name": "Good", "email": f"{user_id}@example.com"}


@pytest.mark.parametrize(
    ("body", "properties"),
    [
        (b"not json", {}),
        (b'{"user_id": "x"}', {}),
        (b"{}", {"message_id": "not-a-uuid"}),
        (b"{}", {"headers": {"schema-version": "one"}}),
        (b"{}", {"headers": {"expected-version": "x"}}),
    ],
)
def test_a_poison_message_is_a_dead_letter_with_its_reason_and_good_ones_around_it_are_handled(
    client: PlainClient, stack_env: dict[str, str], body: bytes, properties: dict[str, Any]
) -> None:
    key = f"poison-{uuid.uuid4().hex}"
    before = client.send("CreateUser", create(f"{key}-a"), reply_to="amq.rabbitmq.reply-to", correlation_id="before")
    client.channel.basic_publish(
        "commands",
        key,
        body,
        pika.BasicProperties(
            **({"type": "CreateUser", "message_id": str(uuid.uuid4()), "delivery_mode": 2} | properties)
        ),
        mandatory=True,
    )
    after = client.send("CreateUser", create(f"{key}-b"), reply_to="amq.rabbitmq.reply-to", correlation_id="after")

    for correlation_id, command_id in (("before", before), ("after", after)):
        outcome = client.reply("CommandOutcome", correlation_id)
        assert (outcome["status"], outcome["command_id"]) == ("accepted", command_id)
    client.wait_until(lambda: len(dead_letters(stack_env, key)) == 1)
    ((found, start),) = dead_letters(stack_env, key)
    assert found == "invalid_message"
    assert start == body[:20].decode(errors="replace")


def test_a_rejection_by_rule_is_no_dead_letter(client: PlainClient, stack_env: dict[str, str]) -> None:
    user_id = f"nobody-{uuid.uuid4().hex}"

    assert client.command("RenameUser", {"user_id": user_id, "name": "X"})["error"]["code"] == "user_not_found"
    assert dead_letters(stack_env, user_id) == []
