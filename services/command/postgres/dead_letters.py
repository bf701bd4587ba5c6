"""Messages that could not be processed, kept with their reason until an operator redrives or drops them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import func

from services.command.pipeline.dead_letter import DeadLetter
from services.command.postgres.row_insert import Addition, OnConflict, RowInsert, Values
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
)


def _seen_again(new: Values) -> Values:
    return {
        # Another release may have found something else wrong: the last word counts.
        "reason": new["reason"],
        "detail": new["detail"],
        "attempts": dead_letters.c.attempts + new["attempts"],
        # Of two processes the one with the slower clock may be the later one.
        "first_seen": func.least(dead_letters.c.first_seen, new["first_seen"]),
        "last_seen": func.greatest(dead_letters.c.last_seen, new["last_seen"]),
    }


ADD = RowInsert(
    dead_letters, COLUMNS, now=["first_seen", "last_seen"], on_conflict=OnConflict("fingerprint", _seen_again)
)


def addition(letters: Sequence[DeadLetter]) -> Addition:
    """There must be one. A row for each message; one that is there already, whoever buried it, is the same letter, seen
    once more.
    """
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
        )
        for letter in _one_of_each(letters)
    ]
    return ADD.of(rows)


def _one_of_each(letters: Sequence[DeadLetter]) -> Iterable[DeadLetter]:
    """In the order in which they came first: `ON CONFLICT` can't touch a row twice in one statement."""
    found: dict[bytes, DeadLetter] = {}
    for letter in letters:
        earlier = found.get(letter.fingerprint)
        attempts = letter.attempts + (earlier.attempts if earlier else 0)
        found[letter.fingerprint] = replace(letter, attempts=attempts)
    return found.values()
