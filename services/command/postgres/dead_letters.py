"""Messages that could not be processed, kept with their reason until an operator redrives or drops them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
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

_add = insert(dead_letters).from_select(COLUMNS, unnested(dead_letters, *COLUMNS))
ADD = _add.on_conflict_do_update(
    index_elements=[dead_letters.c.fingerprint],
    set_={
        # Another release may have found something else wrong: the last word counts.
        "reason": _add.excluded.reason,
        "detail": _add.excluded.detail,
        "attempts": dead_letters.c.attempts + _add.excluded.attempts,
        # Of two processes the one with the slower clock may be the later one.
        "first_seen": func.least(dead_letters.c.first_seen, _add.excluded.first_seen),
        "last_seen": func.greatest(dead_letters.c.last_seen, _add.excluded.last_seen),
    },
)


async def add(connection: AsyncConnection, letters: Sequence[DeadLetter], now: datetime) -> None:
    """A row for each message. One that is there already, whoever buried it, is the same letter, seen once more."""
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
        )
        for letter in _one_of_each(letters)
    ]
    await connection.execute(ADD, in_columns(COLUMNS, rows))


def _one_of_each(letters: Sequence[DeadLetter]) -> Iterable[DeadLetter]:
    """In the order in which they came first: `ON CONFLICT` can't touch a row twice in one statement."""
    found: dict[bytes, DeadLetter] = {}
    for letter in letters:
        earlier = found.get(letter.fingerprint)
        attempts = letter.attempts + (earlier.attempts if earlier else 0)
        found[letter.fingerprint] = replace(letter, attempts=attempts)
    return found.values()
