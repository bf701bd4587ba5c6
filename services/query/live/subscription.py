"""A live query that is being followed."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from services.query.live.change import Change
from services.query.live.follower import Follower, Update
from shared.contracts.answer import ANSWER_TYPE
from shared.contracts.live import (
    LEASE_HEADER,
    RENEWED_TYPE,
    RESUME_HEADER,
    RESUMED_HEADER,
    SEQUENCE_HEADER,
    SUBSCRIPTION_HEADER,
    UPDATE_TYPE,
)
from shared.messaging.envelope import Envelope, HeaderValue

MOST_PENDING = 10_000
"""Changes that wait for being sent. Who is further behind has to begin anew."""


@dataclass(slots=True, eq=False)
class Subscription:
    """`lease` is in seconds; `ended` says why it is no more."""

    id: UUID
    query_type: str
    reply_to: str
    correlation_id: str | None
    follower: Follower
    lease: float
    deadline: float = 0.0
    sequence: int = 0
    missed: bool = False
    ended: str | None = None
    work: "asyncio.Task[None] | None" = None
    _pending: deque[Change] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def renew(self) -> None:
        self.deadline = time.monotonic() + self.lease

    def offer(self, change: Change) -> bool:
        """False when there are too many already."""
        self._pending.append(change)
        self._news.set()
        return len(self._pending) <= MOST_PENDING

    def miss(self) -> None:
        """What is pending is worth nothing any more: the answer has to be looked at anew."""
        self.missed = True
        self._pending.clear()
        self._news.set()

    def begin_here(self) -> None:
        """What came so far is in what will be read from now on."""
        self.missed = False
        self.take()

    async def news(self) -> None:
        """Waits until there is something to take, or the answer has to be looked at anew."""
        try:
            async with asyncio.timeout(self.follower.patience):
                await self._news.wait()
        except TimeoutError:
            self.missed = True

    def take(self) -> list[Change]:
        """What is pending; it is the caller's from now on."""
        self._news.clear()
        changes = list(self._pending)
        self._pending.clear()
        return changes

    def first(self, update: Update, *, resumed: bool | None) -> Envelope:
        headers: dict[str, HeaderValue] = {LEASE_HEADER: round(self.lease * 1000)}
        if resumed is not None:
            headers[RESUMED_HEADER] = resumed
        return self._envelope(ANSWER_TYPE, update, headers)

    def following(self, update: Update) -> Envelope:
        return self._envelope(UPDATE_TYPE, update, {})

    def renewed(self) -> Envelope:
        return Envelope(
            exchange="",
            routing_key=self.reply_to,
            type=RENEWED_TYPE,
            body=b"{}",
            message_id=f"{self.id}-renewed",
            correlation_id=self.correlation_id,
            headers={SUBSCRIPTION_HEADER: str(self.id), LEASE_HEADER: round(self.lease * 1000)},
            persistent=False,
        )

    def _envelope(self, kind: str, update: Update, headers: dict[str, HeaderValue]) -> Envelope:
        number, self.sequence = self.sequence, self.sequence + 1
        return Envelope(
            exchange="",
            routing_key=self.reply_to,
            type=kind,
            body=update.answer.model_dump_json().encode(),
            message_id=f"{self.id}-{number}",
            correlation_id=self.correlation_id,
            headers={
                SUBSCRIPTION_HEADER: str(self.id),
                SEQUENCE_HEADER: number,
                RESUME_HEADER: update.resume_token,
                **headers,
            },
            persistent=False,
        )
