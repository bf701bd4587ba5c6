"""Dead letters as the command service writes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import create_async_engine

from services.command.pipeline.dead_letter import DeadLetter
from services.command.postgres.dead_letters import addition
from services.command.postgres.row_insert import insert_together

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def letter(message_id: str, **changes: Any) -> DeadLetter:
    """A command of a type that nobody knows."""
    plain: dict[str, Any] = {
        "queue": "commands.0",
        "exchange": "commands",
        "routing_key": "alice",
        "reason": "unknown_type",
        "detail": "there is no command of this type",
        "type": "SuspendUser",
        "message_id": message_id,
        "properties": {"content_type": "application/json"},
        "headers": {},
        "body": b'{"user_id":"alice"}',
    }
    return DeadLetter(**{**plain, **changes})


async def bury(admin_url: str, letters: Sequence[DeadLetter], *, now: datetime = NOON) -> None:
    engine = create_async_engine(admin_url)
    async with engine.begin() as connection:
        await insert_together(connection, [addition(letters)], now=now)
    await engine.dispose()
