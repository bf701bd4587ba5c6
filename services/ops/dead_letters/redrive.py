"""Dead letters sent again, each under its own id, so that none is applied twice."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ops.dead_letters.fate import Fate, FateOf, watch_fate
from services.ops.dead_letters.letter import DeadLetter
from services.ops.dead_letters.restoring import UnrestorableError, restored
from services.ops.dead_letters.selection import Selection
from services.ops.dead_letters.store import DeadLetterStore
from shared.messaging.envelope import Envelope
from shared.messaging.ports import Publisher

BATCH = 100
BATCHES_PER_SECOND = 10


@dataclass(slots=True)
class Redriven:
    """What has been done so far.

    `redriven` letters were confirmed by the broker, and of these `came_back` failed again before their rows were gone;
    `failed` says by id why others were not; `left` were not tried.
    """

    redriven: int = 0
    came_back: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    left: int = 0
    probe: FateOf | None = None

    @property
    def is_complete(self) -> bool:
        return not (self.failed or self.left or self.came_back) and (self.probe is None or self.probe.is_good)

    @property
    def is_unanswered(self) -> bool:
        """Nothing says that it went wrong, but nothing came back in time."""
        return self.probe is not None and self.probe.fate is Fate.UNKNOWN


class Redrive:
    """Safe to interrupt and to run again: a row is deleted only after the broker has confirmed its message.

    `rate` is in messages a second. `progress` is told how many more are done. What is done stands in `done`, also when
    `run` was interrupted. Raises what the engine raises.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        *,
        rate: float | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        self._engine = engine
        self._store = DeadLetterStore(engine)
        self._publisher = publisher
        self._rate = rate
        self._progress = progress
        self.done = Redriven()

    async def probed(self, ids: Sequence[int], *, timeout: float) -> None:
        """Redrives the first that can be, and the others only when that one does not fail again.

        Waits up to `timeout` seconds for what becomes of it.
        """
        for position, id_ in enumerate(ids, start=1):
            if not (sendable := await self._sendable([id_])):
                continue
            ((letter, _),) = sendable
            watch = await watch_fate(self._engine, letter, await self._store.newest_id())
            taken = await self._send(sendable)
            if taken:
                self.done.probe = await watch.fate(timeout)
            if self.done.probe is not None and self.done.probe.is_good and not self.done.came_back:
                self._progress(position)
                await self.run(ids[position:])
            else:
                self.done.left = len(ids) - position
            return

    async def run(self, ids: Sequence[int]) -> None:
        """Redrives these in their order; one that is gone is skipped. Stops when the broker does not take them."""
        loop = asyncio.get_running_loop()
        size = BATCH if self._rate is None else min(BATCH, max(1, int(self._rate / BATCHES_PER_SECOND)))
        for start in range(0, len(ids), size):
            began = loop.time()
            batch = ids[start : start + size]
            if not await self._send(await self._sendable(batch)):
                self.done.left = len(ids) - start - len(batch)
                return
            self._progress(len(batch))
            if self._rate is not None and start + size < len(ids):
                await asyncio.sleep(max(0.0, began + len(batch) / self._rate - loop.time()))

    async def _sendable(self, ids: Sequence[int]) -> list[tuple[DeadLetter, Envelope]]:
        sendable: list[tuple[DeadLetter, Envelope]] = []
        for letter in await self._store.letters(Selection(ids=ids)):
            try:
                sendable.append((letter, restored(letter)))
            except UnrestorableError as error:
                self.done.failed[letter.id] = str(error)
        return sendable

    async def _send(self, sendable: Sequence[tuple[DeadLetter, Envelope]]) -> bool:
        """Whether the broker took all of them."""
        if not sendable:
            return True
        results = await self._publisher.publish([envelope for _, envelope in sendable])
        taken = [letter for (letter, _), failure in zip(sendable, results, strict=True) if failure is None]
        if taken:
            removed = await self._store.remove_unchanged(taken)
            self.done.redriven += len(taken)
            changed = [letter.id for letter in taken if letter.id not in removed]
            self.done.came_back += len(await self._store.ids(Selection(ids=changed)))
        for (letter, _), failure in zip(sendable, results, strict=True):
            if failure is not None:
                why = self._publisher.trouble
                self.done.failed[letter.id] = f"{failure}: {why}" if why else str(failure)
        return len(taken) == len(sendable)
