"""The broker's word on each message of a batch that was published."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from shared.messaging.envelope import Envelope
from shared.messaging.ports import PublishFailure

Destination: TypeAlias = tuple[str | None, str, str]
"""Message id, exchange and routing key: what a returned message has to be found by."""


class PublishedBatch:
    """`done` is set when there is a word on all. Each message gets one; what comes later counts no more."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.done = asyncio.Event()
        self._envelopes = envelopes
        self._results: list[PublishFailure | None] = [PublishFailure.UNCONFIRMED] * len(envelopes)
        self._settled = bytearray(len(envelopes))
        self._waiting = len(envelopes)
        self._open: dict[Destination, list[int]] | None = None

    @property
    def results(self) -> list[PublishFailure | None]:
        """So far: UNCONFIRMED where nothing was heard."""
        return list(self._results)

    def settle(self, start: int, stop: int, *, accepted: bool) -> None:
        """The broker's word on those from `start` up to `stop`, but for those that have one."""
        if accepted and self._open is None and not any(self._settled[start:stop]):
            count = stop - start
            self._results[start:stop] = [None] * count
            self._settled[start:stop] = b"\1" * count
            self._waiting -= count
        else:
            for index in range(start, stop):
                self._settle(index, accepted=accepted)
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
            for index, envelope in reversed(list(enumerate(self._envelopes))):
                if not self._settled[index]:
                    key = (envelope.message_id, envelope.exchange, envelope.routing_key)
                    self._open.setdefault(key, []).append(index)
        candidates = self._open.get(destination)
        while candidates:
            index = candidates.pop()
            if not self._settled[index]:
                self._results[index] = PublishFailure.UNROUTABLE
                return True
        return False

    def _settle(self, index: int, *, accepted: bool) -> None:
        if self._settled[index]:
            return
        if self._results[index] is not PublishFailure.UNROUTABLE:
            self._results[index] = None if accepted else PublishFailure.REFUSED
        self._settled[index] = 1
        self._waiting -= 1
