"""What was published and is not confirmed yet."""

import asyncio
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, TypeAlias

from shared.messaging.envelope import Envelope
from shared.messaging.ports import PublishFailure

Destination: TypeAlias = tuple[str | None, str, str]
"""Message id, exchange and routing key: what a returned message has to be found by."""

FIRST_SEQUENCE: Final = 1


class PublishedBatch:
    """The broker's word on each message of a batch; `done` is set when all have one."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.done = asyncio.Event()
        self._destinations: list[Destination] = [
            (envelope.message_id, envelope.exchange, envelope.routing_key) for envelope in envelopes
        ]
        self._results: list[PublishFailure | None] = [PublishFailure.UNCONFIRMED] * len(envelopes)
        self._waiting = len(envelopes)
        self._open: dict[Destination, list[int]] | None = None

    @property
    def results(self) -> list[PublishFailure | None]:
        """So far: UNCONFIRMED where nothing was heard."""
        return list(self._results)

    def settle(self, index: int, *, accepted: bool) -> None:
        if self._results[index] is not PublishFailure.UNROUTABLE:
            self._results[index] = None if accepted else PublishFailure.REFUSED
        self._waiting -= 1
        if not self._waiting:
            self.done.set()

    def give_up(self) -> None:
        """Nothing more will be heard."""
        self.done.set()

    def returned(self, destination: Destination) -> bool:
        """Marks the first such message that is not confirmed yet; False when there is none here.

        The broker returns messages in the order that it got them, and each before it confirms it. Where several have
        one id and one destination, they go the same way, so it doesn't matter which of them is marked.
        """
        if self._open is None:
            self._open = {}
            for index, key in reversed(list(enumerate(self._destinations))):
                if self._results[index] is PublishFailure.UNCONFIRMED:
                    self._open.setdefault(key, []).append(index)
        candidates = self._open.get(destination)
        while candidates:
            index = candidates.pop()
            if self._results[index] is PublishFailure.UNCONFIRMED:
                self._results[index] = PublishFailure.UNROUTABLE
                return True
        return False


class InFlight:
    """The sequence numbers of a channel in confirm mode. <https://www.rabbitmq.com/docs/confirms>"""

    def __init__(self) -> None:
        self._next = FIRST_SEQUENCE
        self._pending: dict[int, tuple[PublishedBatch, int]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, batch: PublishedBatch, indexes: range) -> None:
        """Numbers the messages, in the order in which they are written to the channel."""
        for index in indexes:
            self._pending[self._next] = (batch, index)
            self._next += 1

    def confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        tags = list(takewhile(lambda pending: pending <= tag, self._pending)) if multiple else [tag]
        for pending in tags:
            found = self._pending.pop(pending, None)
            if found is not None:
                batch, index = found
                batch.settle(index, accepted=accepted)

    def returned(self, destination: Destination) -> None:
        for batch in dict.fromkeys(batch for batch, _ in self._pending.values()):
            if batch.returned(destination):
                return

    def forget(self, batch: PublishedBatch) -> None:
        """Whatever comes for it from now on is too late."""
        if not batch.done.is_set():
            for tag in [tag for tag, (owner, _) in self._pending.items() if owner is batch]:
                del self._pending[tag]

    def reset(self) -> None:
        """The channel is gone: what it has not confirmed, it never will; a new one counts from the start."""
        for batch in dict.fromkeys(batch for batch, _ in self._pending.values()):
            batch.give_up()
        self._pending.clear()
        self._next = FIRST_SEQUENCE
