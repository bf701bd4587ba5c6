from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.ops.dead_letters.letter import DeadLetter

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def letter(**changes: Any) -> DeadLetter:
    """A command that nobody knew, sent with all that a command may carry."""
    plain = DeadLetter(
        id=7,
        queue="commands.3",
        exchange="commands",
        routing_key="alice",
        reason="unknown_type",
        detail="there is no command of this type",
        type="SuspendUser",
        message_id="0199f1c2-0000-7000-8000-000000000001",
        properties={"content_type": "application/json", "correlation_id": "c-1", "user_id": "client"},
        headers={"schema-version": 1},
        body=b'{"user_id":"alice","note":"secret"}',
        attempts=1,
        first_seen=NOON,
        last_seen=NOON,
    )
    return replace(plain, **changes)
