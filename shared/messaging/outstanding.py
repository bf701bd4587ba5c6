"""Which deliveries of a channel are not acknowledged yet, and how to say that some are in the fewest frames."""

from collections.abc import Iterable

from shared.messaging.frames import ack_frame, requeue_frame


class Outstanding:
    """The tags of one channel. Tags come in rising order; they may be settled in any.

    A tag that is not outstanding is skipped: settling one twice would make the broker close the channel.
    """

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def add(self, *tags: int) -> None:
        self._tags.update(dict.fromkeys(tags))

    def clear(self) -> None:
        self._tags.clear()

    def ack(self, channel: int, tags: Iterable[int]) -> bytes:
        """The frames that acknowledge these: one for all that none older is waiting before, and one for each other."""
        settled = self._settle(tags)
        if not settled:
            return b""
        oldest = next(iter(self._tags), None)
        together = len(settled) if oldest is None else sum(tag < oldest for tag in settled)
        frames = [ack_frame(channel, tag) for tag in settled[together:]]
        if together:
            frames.insert(0, ack_frame(channel, settled[together - 1], multiple=True))
        return b"".join(frames)

    def requeue(self, channel: int, tags: Iterable[int]) -> bytes:
        """The frames that give these back, oldest first."""
        return b"".join(requeue_frame(channel, tag) for tag in self._settle(tags))

    def _settle(self, tags: Iterable[int]) -> list[int]:
        settled = sorted(tag for tag in set(tags) if tag in self._tags)
        for tag in settled:
            del self._tags[tag]
        return settled
