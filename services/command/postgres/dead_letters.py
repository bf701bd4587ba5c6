"""Messages that could not be processed, kept with their reason until an operator redrives or drops them."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Boolean, bindparam, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.command.pipeline.dead_letter import DeadLetter
from services.command.postgres.rows import in_columns, unnested
from services.command.postgres.tables import dead_letters

COLUMNS = (
    "queue",
    "exchange",
    "routing_key",
    "reason",
    "detail",
    "type",
    "message_id",
    "properties",
    "headers",
    "body",
    "fingerprint",
    "attempts",
    "first_seen",
    "last_seen",
)

_arrived = (
    unnested(dead_letters, *COLUMNS)
    .add_columns(func.unnest(bindparam("all_redelivered", type_=ARRAY(Boolean))).label("redelivered"))
    .cte("arrived")
)
_known = (
    update(dead_letters)
    .values(last_seen=_arrived.c.last_seen, attempts=dead_letters.c.attempts + _arrived.c.attempts)
    .where(_arrived.c.redelivered, dead_letters.c.fingerprint == _arrived.c.fingerprint)
    .returning(dead_letters.c.fingerprint)
    .cte("known")
)
ADD = (
    insert(dead_letters)
    .from_select(
        COLUMNS,
        select(*(_arrived.c[name] for name in COLUMNS)).where(
            ~exists().where(_known.c.fingerprint == _arrived.c.fingerprint)
        ),
    )
    .returning(dead_letters.c.id)
)


async def add(connection: AsyncConnection, letters: Sequence[DeadLetter], now: datetime) -> None:
    """One row for each. A redelivery of one that is there (we died between commit and ack) is noted on its row."""
    if not letters:
        return
    rows = [
        (
            letter.queue,
            letter.exchange,
            letter.routing_key,
            letter.reason,
            letter.detail,
            letter.type,
            letter.message_id,
            json.dumps(letter.properties),
            json.dumps(letter.headers),
            letter.body,
            letter.fingerprint,
            letter.attempts,
            now,
            now,
            letter.redelivered,
        )
        for letter in letters
    ]
    await connection.execute(ADD, in_columns((*COLUMNS, "redelivered"), rows))
