"""A read model's lane on the feed: what it applies, and how it falls behind and comes back."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from enum import Enum, auto

import structlog

from services.query.domain_event import DomainEvent
from services.query.metrics import QueryMetrics
from services.query.projector.behind_mark import BehindMark
from services.query.projector.catch_up import catch_up
from services.query.projector.chunk import Chunk
from services.query.projector.counting import count_batch, count_results
from services.query.projector.log_reader import LogReader
from services.query.projector.projection import Projection
from services.query.projector.trouble import Trouble
from services.query.projector.turns import Turns
from shared.messaging.arrival_rate import BUSY, ArrivalRate
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery, Receipt

logger = structlog.stdlib.get_logger(__name__)

NEAR_SECONDS = 2.0
"""What takes no longer to catch up with is near enough for joining the feed."""
JOIN_SECONDS = 10.0
"""So long it may take in joining, while the feed waits for it when there is no more room."""
JOIN_AGAIN_SECONDS = 0.2
MOST_ASKED = 100

PAUSED, HOLDS_UP, LEFT_BEHIND = "paused", "holds the others up", "left behind by another process"


class State(Enum):
    RESTING = auto()
    """The events are another process's to project, as far as we know."""
    LIVE = auto()
    """Applies what the feed brings."""
    BEHIND = auto()
    """The feed goes on without it; it catches up from the log, unless it is paused."""
    JOINING = auto()
    """Takes what the feed brings into its hands, and catches up with what came before."""


class _InterruptedError(Exception):
    """What was being done has lost its meaning."""


class Lane:
    """Runs one folded projection.

    While it is `LIVE` each chunk that is offered stays unacknowledged until it is applied. When it falls `BEHIND`,
    chunks are let go of as soon as it is on record (see BehindMark) from where on events may lack; it then reads these
    from the log. To come back it first takes what comes from now on into its hands, then reads the log up to an event
    that came before that, and only then takes its mark back. Whatever it gets twice is dropped by its version.

    `answer` is given markers once all that was in the queue before them is applied. With `turns` it lets others write
    first, unless its batch is full or somebody asks.
    """

    def __init__(
        self,
        projection: Projection[DomainEvent],
        aggregate_type: str,
        new_mark: Callable[[], BehindMark],
        reader: LogReader,
        is_paused: Callable[[], bool],
        metrics: QueryMetrics,
        *,
        is_current: Callable[[Receipt], bool],
        answer: "Callable[[Lane, Sequence[Delivery]], Awaitable[None]]",
        max_batch: int,
        linger: float = 0.0,
        busy: float = BUSY,
        turns: Turns | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = projection.name
        self.aggregate_type = aggregate_type
        self.state = State.RESTING
        self.progress_at = time.monotonic()
        self.batch_seconds = 0.0
        self.is_paused = is_paused
        self._projection = projection
        self._new_mark = new_mark
        self._mark = new_mark()
        self._reader = reader
        self._metrics = metrics
        self._is_current = is_current
        self._answer = answer
        self._max_batch = max_batch
        self._linger = linger
        self._turns = turns
        self._arrival_rate = ArrivalRate(busy)
        self._began_at = -float("inf")
        self._hand: deque[Chunk] = deque()
        self._passed_by: list[Chunk] = []
        self._asked: deque[Delivery] = deque(maxlen=MOST_ASKED)  # markers that came while it was behind
        self._era = 0  # of what it has in hand: work that was begun in another one has nothing to say any more
        self._since: int | None = None  # from there on the log is read: what passes by before that is not in it
        self._position: int | None = None  # up to there it is read
        self._marking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._to_record = asyncio.Event()
        self._recorded = asyncio.Event()
        self._catching_up: asyncio.Task[None] | None = None
        self._ended = False
        self._stopping = asyncio.Event()
        self._trouble = Trouble(self.name, metrics, backoff or Backoff(), self._stopping)

    # What the feed does with it

    def begin(self) -> None:
        """What the feed brings from now on is this process's to project. The catalogue must have been read since."""
        self._drop()
        self._mark = self._new_mark()
        self.state = State.BEHIND if self.is_paused() or self._mark.of_others() else State.LIVE
        self._wake()

    def rest(self) -> None:
        """It is not any more; what is in hand will be delivered again, to whoever it may be."""
        self._drop()
        self.state = State.RESTING
        self._wake()

    def offer(self, chunk: Chunk) -> None:
        has_events = self.aggregate_type in chunk.events
        if not has_events and self.name not in chunk.markers:
            return
        if self.state in (State.LIVE, State.JOINING):
            now = time.monotonic()
            self._arrival_rate.count(len(chunk.receipts), now)
            if not self._hand:
                self.progress_at = now
            chunk.waiting.add(self.name)
            self._hand.append(chunk)
        else:
            self._asked.extend(chunk.markers.get(self.name, ()))
            if not has_events or self._is_recorded(chunk.least_position(self.aggregate_type)):
                return
            chunk.waiting.add(self.name)
            self._pass_by(chunk)
        self._wake()

    def fall_behind(self, reason: str) -> None:
        """The feed goes on without it, as soon as that is on record."""
        if self.state not in (State.LIVE, State.JOINING):
            return
        logger.warning("read model falls behind", read_model=self.name, reason=reason, in_hand=len(self._hand))
        self._metrics.fallen_behind.labels(self.name, reason).inc()
        self._let_go()

    def end(self) -> None:
        """Nothing more will be offered: `run` returns when what is in hand is done."""
        self._ended = True
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._to_record.set()
        self._wake()

    def stop(self) -> None:
        """What fails from now on is left to whoever comes next."""
        self._stopping.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work(), name=f"lane {self.name}")
            tasks.create_task(self._record(), name=f"record {self.name}")

    @property
    def is_busy(self) -> bool:
        return bool(self._hand)

    @property
    def is_left_behind(self) -> bool:
        """Whether another process has put on record that events lack."""
        return bool(self._mark.of_others())

    def why_not(self) -> str | None:
        """Why it is not projecting right now; None when it is."""
        return self._trouble.why_not

    def note(self) -> str | None:
        """For `/readyz`: what is no trouble and still worth knowing."""
        if self.is_paused():
            return "paused"
        return "catching up from the log" if self.state in (State.BEHIND, State.JOINING) else None

    # Applying what the feed brings

    async def _work(self) -> None:
        attempt = 0
        while True:
            self._changed.clear()
            if self.state is State.LIVE and self._hand:
                if (wait := self._time_to_linger()) > 0:
                    await self._wait_for_change(wait)
                else:
                    await self._write_in_turn()
            elif self._ended:
                return
            elif self.state is State.BEHIND and not self.is_paused():
                attempt = await self._try_to_catch_up(attempt)
            else:
                await self._wait_for_change(JOIN_AGAIN_SECONDS if self.state is State.BEHIND else None)

    async def _wait_for_change(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _time_to_linger(self) -> float:
        """Seconds; none when the batch before began long enough ago."""
        if self._is_pressing():
            return 0.0
        now = time.monotonic()
        return self._began_at + self._arrival_rate.worth_waiting(self._linger, now) - now

    def _is_pressing(self) -> bool:
        """Whether a batch is full, somebody asks, or nothing more will come."""
        if self._ended or any(self.name in chunk.markers for chunk in self._hand):
            return True
        return sum(len(chunk.receipts) for chunk in self._hand) >= self._max_batch

    async def _write_in_turn(self) -> None:
        async with nullcontext() if self._turns is None or self._is_pressing() else self._turns.taken():
            if self.state is State.LIVE and self._hand:
                await self._write(self._next_chunks())

    def _next_chunks(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        count = 0
        for chunk in self._hand:
            if count >= self._max_batch:
                break
            chunks.append(chunk)
            count += len(chunk.receipts)
        return chunks

    async def _write(self, chunks: Sequence[Chunk]) -> None:
        """Until they are written, or are no longer ours to write."""
        era, attempt = self._era, 0
        events = [event for chunk in chunks for event in chunk.events.get(self.aggregate_type, ())]
        while self._era == era and any(self._is_current(chunk.receipts[0]) for chunk in chunks):
            self._began_at = started = time.monotonic()
            try:
                tally = await self._projection.apply(events)
            except Exception as error:
                attempt += 1
                if self._stopping.is_set():
                    break
                await self._trouble.wait_after(attempt, error)
                continue
            self._trouble.over()
            kinds: Counter[str] = Counter()
            for chunk in chunks:
                kinds.update(chunk.kinds)
            self.batch_seconds = time.monotonic() - started
            count_batch(self._metrics, self.name, tally, kinds, self.batch_seconds)
            if self._era == era:
                await self._finish(era, chunks)
            return
        self._trouble.over()
        self._metrics.abandoned.labels(self.name).inc()
        if self._era == era:
            self._hand.clear()

    async def _finish(self, era: int, chunks: Sequence[Chunk]) -> None:
        if markers := [marker for chunk in chunks for marker in chunk.markers.get(self.name, ())]:
            await self._answer(self, markers)
        if self._era != era:
            return
        self.progress_at = time.monotonic()
        for chunk in chunks:
            self._hand.popleft()
            chunk.done(self.name)

    # Putting on record what passes by

    def _is_recorded(self, position: int) -> bool:
        """Whether an event at this position is read from the log by whoever goes by the mark."""
        return self._mark.is_put and self._since is not None and position > self._since

    def _let_go(self) -> None:
        """Of all that it has in hand."""
        hand, self._hand = self._hand, deque()
        self._era += 1
        self.state = State.BEHIND
        for chunk in hand:
            self._asked.extend(chunk.markers.get(self.name, ()))
            if self.aggregate_type in chunk.events:
                self._pass_by(chunk)
            else:
                chunk.done(self.name)
        self._wake()

    def _pass_by(self, chunk: Chunk) -> None:
        self._passed_by.append(chunk)
        self._recorded.clear()
        self._to_record.set()

    async def _record(self) -> None:
        attempt = 0
        while True:
            if not self._passed_by:
                self._recorded.set()
                if self._ended:
                    return
                self._to_record.clear()
                await self._to_record.wait()
                continue
            mark, chunks = self._mark, list(self._passed_by)
            try:
                await self._put_mark(mark, min(chunk.least_position(self.aggregate_type) for chunk in chunks))
            except Exception as error:
                attempt += 1
                if self._stopping.is_set():
                    return
                await self._trouble.wait_after(attempt, error)
                continue
            if attempt:
                attempt = 0
                self._trouble.over()
            if mark is self._mark:
                del self._passed_by[: len(chunks)]
                for chunk in chunks:
                    chunk.done(self.name)

    async def _put_mark(self, mark: BehindMark, first: int) -> None:
        async with self._marking:
            if mark is not self._mark or self._is_recorded(first):
                return
            before = first - 1 if self._since is None else min(first - 1, self._since)
            await mark.put(before)
            if mark is self._mark:
                self._since = before
                self._position = before if self._position is None else min(self._position, before)

    # Coming back

    async def _try_to_catch_up(self, attempt: int) -> int:
        """Gives the number of attempts that failed one after the other."""
        self._catching_up = asyncio.create_task(self._catch_up(), name=f"catch up {self.name}")
        try:
            await self._catching_up
        except asyncio.CancelledError:
            if not self._ended:
                self._catching_up.cancel()
                raise
        except _InterruptedError:
            pass
        except Exception as error:
            await self._trouble.wait_after(attempt + 1, error)
            return attempt + 1
        finally:
            self._catching_up = None
        self._trouble.over()
        return 0

    async def _catch_up(self) -> None:
        era = self._era
        await self._take_over(era)
        await self._recorded.wait()
        started = time.monotonic()
        if self._position is not None:
            await self._read_on(era, self._position)
        if time.monotonic() - started < NEAR_SECONDS:
            await self._join(era)

    async def _take_over(self, era: int) -> None:
        async with self._marking:
            self._check(era)
            if not (others := self._mark.of_others()):
                return
            first = min(others.values())
            if not await self._mark.take_over(others):
                raise _InterruptedError  # what is known of the catalogue is old
            self._since = first if self._since is None else min(self._since, first)
            self._position = first if self._position is None else min(self._position, first)

    async def _read_on(self, era: int, position: int) -> None:
        """Applies what the log holds beyond that position, up to what is settled."""
        read_to = position

        async def reached(position: int) -> None:
            nonlocal read_to
            async with self._marking:
                self._check(era)
                if self._position != read_to:
                    raise _InterruptedError  # something from before that has passed by
                await self._mark.advance(position)
                self._position = read_to = position

        await catch_up(self._reader, self._counted, self.aggregate_type, position, reached)

    async def _counted(self, events: Sequence[DomainEvent]) -> None:
        count_results(self._metrics, self.name, await self._projection.apply(events))

    async def _join(self, era: int) -> None:
        self._check(era)
        self.state = State.JOINING
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self._reach_the_feed(era)
        except BaseException as error:
            if self._era == era:
                self._let_go()
            if isinstance(error, TimeoutError):
                await asyncio.sleep(JOIN_AGAIN_SECONDS)
                raise _InterruptedError from error
            raise
        logger.info("read model has caught up", read_model=self.name)
        self.state = State.LIVE
        if self._asked:
            asked = list(self._asked)
            self._asked.clear()
            await self._answer(self, asked)

    async def _reach_the_feed(self, era: int) -> None:
        await self._recorded.wait()
        if self._position is not None:
            head = (await self._reader.head()).position  # all that has passed by was in the log before it was sent
            while self._position is not None and self._position < head:
                position = self._position
                await self._read_on(era, position)
                if position == self._position:
                    await asyncio.sleep(JOIN_AGAIN_SECONDS / 4)
        async with self._marking:
            self._check(era)
            await self._mark.clear()
            self._check(era)
            self._since = self._position = None

    def _check(self, era: int) -> None:
        if self._era != era or self._ended or self.is_paused():
            raise _InterruptedError

    # On both ways

    def ask_later(self, markers: Sequence[Delivery]) -> None:
        """These markers are answered when it has caught up."""
        self._asked.extend(markers)

    def _drop(self) -> None:
        self._era += 1
        self._hand.clear()
        self._passed_by.clear()
        self._asked.clear()
        self._recorded.set()
        self._since = self._position = None

    def _wake(self) -> None:
        self._changed.set()
