"""What becomes of a message that was redriven."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ops.dead_letters.letter import DeadLetter
from services.ops.dead_letters.table import dead_letters, inbox
from shared.messaging.topology import COMMANDS

LOOK_EVERY = 0.1
QUIET_SECONDS = 3.0
"""A message that fails is a dead letter within milliseconds; one that has not come back by then is taken as handled."""


class Fate(StrEnum):
    OUTCOME = "outcome"
    """A command that has its outcome now, accepted or rejected."""
    QUIET = "quiet"
    """What leaves no trace when it succeeds, and did not come back as a dead letter."""
    CAME_BACK = "came_back"
    """It is a dead letter again."""
    UNKNOWN = "unknown"
    """No outcome in time, and no dead letter: is the service running?"""


@dataclass(frozen=True, slots=True)
class FateOf:
    """`detail` is the outcome, or the new dead letter's reason and detail."""

    fate: Fate
    detail: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return self.fate in (Fate.OUTCOME, Fate.QUIET)


class FateWatch:
    """Made before a message is redriven, so that old traces of it are not taken for new ones.

    `newest_id` is that of the newest dead letter then. Raises what the engine raises.
    """

    def __init__(self, engine: AsyncEngine, letter: DeadLetter, newest_id: int, *, leaves_outcome: bool) -> None:
        self._engine = engine
        self._letter = letter
        self._newest_id = newest_id
        self._leaves_outcome = leaves_outcome

    async def fate(self, timeout: float) -> FateOf:
        """Returns as soon as it is known; `timeout` is in seconds."""
        loop = asyncio.get_running_loop()
        patience = timeout if self._leaves_outcome else min(timeout, QUIET_SECONDS)
        deadline = loop.time() + patience
        while True:
            if (again := await self._came_back()) is not None:
                return FateOf(Fate.CAME_BACK, again)
            if self._leaves_outcome and (outcome := await outcome_of(self._engine, self._letter)) is not None:
                return FateOf(Fate.OUTCOME, outcome)
            if loop.time() >= deadline:
                return FateOf(Fate.UNKNOWN if self._leaves_outcome else Fate.QUIET, {})
            await asyncio.sleep(LOOK_EVERY)

    async def _came_back(self) -> dict[str, Any] | None:
        columns, letter = dead_letters.c, self._letter
        anew = and_(
            columns.id > self._newest_id,
            columns.message_id.is_not_distinct_from(letter.message_id),
            func.coalesce(columns.type, "") == (letter.type or ""),
            columns.body == letter.body,
        )
        before_it_was_removed = and_(columns.id == letter.id, columns.attempts > letter.attempts)
        query = select(columns.id, columns.reason, columns.detail).where(or_(anew, before_it_was_removed))
        async with self._engine.connect() as connection:
            row = (await connection.execute(query.limit(1))).one_or_none()
        return None if row is None else {"id": row.id, "reason": row.reason, "detail": row.detail}


async def watch_fate(engine: AsyncEngine, letter: DeadLetter, newest_id: int) -> FateWatch:
    """A command that has its outcome already will get no other, so only its coming back can be seen."""
    leaves = letter.exchange == COMMANDS and command_id(letter) is not None
    leaves = leaves and await outcome_of(engine, letter) is None
    return FateWatch(engine, letter, newest_id, leaves_outcome=leaves)


async def outcome_of(engine: AsyncEngine, letter: DeadLetter) -> dict[str, Any] | None:
    if (id_ := command_id(letter)) is None:
        return None
    async with engine.connect() as connection:
        row = (await connection.execute(select(inbox.c.outcome).where(inbox.c.command_id == id_))).one_or_none()
    return None if row is None else dict(row.outcome)


def command_id(letter: DeadLetter) -> UUID | None:
    try:
        return UUID(letter.message_id or "")
    except ValueError:
        return None
