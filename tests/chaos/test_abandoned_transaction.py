"""What a dead query service leaves behind in MongoDB holds nobody up for long."""

import uuid
from typing import Any

from pymongo import AsyncMongoClient

from tests.support.ask import Asker
from tests.support.load import History, LoadClient, Sent
from tests.support.stack import Stack

PATIENCE_MS = 25_000


async def test_a_transaction_that_nobody_ends_delays_its_documents_by_seconds_only(stack: Stack) -> None:
    user_id = f"abandoned-{uuid.uuid4().hex[:8]}"
    command = Sent(
        str(uuid.uuid4()), "CreateUser", {"user_id": user_id, "name": "A", "email": f"{user_id}@example.com"}
    )
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.env["CQRS_MONGO_URL"])
    async with client, Asker(stack.env["CQRS_AMQP_URL"]) as asker:
        history = client.get_default_database("cqrs")["user_history.g1"]
        async with client.start_session() as session:
            await session.start_transaction()
            await history.insert_one({"_id": user_id, "version": 0}, session=session)

            await LoadClient(stack.env["CQRS_AMQP_URL"], History()).publish([command])
            answer = await asker.ask(
                "GetUserHistory",
                user_id=user_id,
                timeout=PATIENCE_MS / 1000 + 5,
                headers={"consistency-token": f"user/{user_id}@1", "max-wait-ms": PATIENCE_MS},
            )

    assert answer["status"] == "ok", answer
    assert [item["type"] for item in answer["data"]["items"]] == ["UserCreated"]
