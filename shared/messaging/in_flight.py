"""What was published and is not confirmed yet."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from shared.messaging.published_batch import Destination, PublishedBatch

FIRST_SEQUENCE: Final = 1


@dataclass(slots=True)
class _Run:
    """Messages of one batch with sequence numbers in a row, from `first` up to `stop`. `shift` makes them indexes."""

    batch: PublishedBatch
    first: int
    stop: int
    shift: int

    def settle(self, first: int, stop: int, *, accepted: bool) -> None:
        self.batch.settle(first - self.shift, stop - self.shift, accepted=accepted)


class InFlight:
    """The sequence numbers of a channel in confirm mode. <https://www.rabbitmq.com/docs/confirms>

    Kept as runs, because the broker confirms many with one frame.
    """

    def __init__(self) -> None:
        self._next = FIRST_SEQUENCE
        self._runs: deque[_Run] = deque()  # in the order of their numbers

    def __len__(self) -> int:
        """Those up to which not all are confirmed."""
        return sum(run.stop - run.first for run in self._runs)

    def add(self, batch: PublishedBatch, indexes: range) -> None:
        """Numbers the messages, in the order in which they are written to the channel."""
        first, self._next = self._next, self._next + len(indexes)
        shift = first - indexes.start
        last = self._runs[-1] if self._runs else None
        if last is not None and last.batch is batch and last.stop == first and last.shift == shift:
            last.stop = self._next
        else:
            self._runs.append(_Run(batch, first, self._next, shift))

    def confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        if multiple:
            self._confirm_up_to(tag, accepted=accepted)
            return
        for run in self._runs:
            if run.first <= tag < run.stop:
                run.settle(tag, tag + 1, accepted=accepted)
                if tag == run.first:
                    run.first += 1
                break
        self._drop_ended()

    def returned(self, destination: Destination) -> None:
        for batch in self._batches():
            if batch.returned(destination):
                return

    def forget(self, batch: PublishedBatch) -> None:
        """Whatever comes for it from now on is too late."""
        if not batch.done.is_set():
            self._runs = deque(run for run in self._runs if run.batch is not batch)

    def reset(self) -> None:
        """The channel is gone: what it has not confirmed, it never will; a new one counts from the start."""
        for batch in self._batches():
            batch.give_up()
        self._runs.clear()
        self._next = FIRST_SEQUENCE

    def _confirm_up_to(self, tag: int, *, accepted: bool) -> None:
        for run in self._runs:
            if run.first > tag:
                break
            stop = min(run.stop, tag + 1)
            run.settle(run.first, stop, accepted=accepted)
            run.first = stop
        self._drop_ended()

    def _drop_ended(self) -> None:
        while self._runs and (self._runs[0].first == self._runs[0].stop or self._runs[0].batch.done.is_set()):
            self._runs.popleft()

    def _batches(self) -> list[PublishedBatch]:
        return list(dict.fromkeys(run.batch for run in self._runs))
