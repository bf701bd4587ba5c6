"""The feed: one delivery of each event for all folded read models of the process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from services.query.domain_event import DomainEvent
from services.query.metrics import QueryMetrics
from services.query.projector.chunk import Chunk
from services.query.projector.counting import count_dead_letters, kinds
from services.query.projector.dead_letters import DeadLetters
from services.query.projector.hold_ups import HoldUps
from services.query.projector.incoming import UnreadableMessageError, read_event
from services.query.projector.lane import HOLDS_UP, LEFT_BEHIND, PAUSED, Lane, State
from services.query.projector.marker import is_marker, passed, read_model_of
from services.query.projector.projector import OrderedConsumer
from services.query.projector.trouble import Trouble
from services.query.read_model import FEED
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery, Receipt
from shared.messaging.ports import Replier

LOOK_SECONDS = 0.1
ACTIVE_SECONDS = 10.0
NUDGE_SECONDS = 2.0
GATHER_SECONDS = 0.004
"""RabbitMQ delivers the first events of a batch a moment before the others, by one write to its disk: written at once,
they would make the others wait until they are.
"""
EVENTS_BUSY = 2000.0
"""Events a second from which on it takes that long; with half as many, half as long."""

logger = structlog.stdlib.get_logger(__name__)


class Feed:
    """Reads each message once, offers it to every lane, and acknowledges it when the last one has let go of it: has
    applied it, or has put on record that it has not.

    A lane that is paused or holds the others up (see HoldUps) falls behind: the others go on, and it catches up from
    the log. `refresh` reads the catalogue, where lanes that another process left behind are found. `nudge` sends a
    message that means nothing through the queue: it tells the process that gets it that the lanes are its to run.
    `room` is how many messages the broker delivers without an acknowledgement.
    """

    def __init__(
        self,
        lanes: Callable[["Feed"], Sequence[Lane]],
        consumer: OrderedConsumer,
        dead_letters: DeadLetters,
        replier: Replier,
        metrics: QueryMetrics,
        *,
        refresh: Callable[[], Awaitable[None]],
        nudge: Callable[[], Awaitable[None]],
        room: int,
        backoff: Backoff | None = None,
    ) -> None:
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._replier = replier
        self._metrics = metrics
        self._refresh = refresh
        self._nudge = nudge
        self._room = room
        self._hold_ups = HoldUps()
        self._latest: Receipt | None = None  # None while the queue is not ours
        self._arrived_at = -float("inf")
        self._held = 0
        self._let_go: list[Chunk] = []
        self._settling = asyncio.Event()
        self._ended = False
        self._stopping = asyncio.Event()
        self._trouble = Trouble(FEED, metrics, backoff or Backoff(), self._stopping)
        self.name = FEED
        self.lanes = tuple(lanes(self))
        self._types = {lane.aggregate_type for lane in self.lanes}

    async def run(self) -> None:
        """Until `stop()`; returns when the work in hand is done, or can't be now (it will be delivered again)."""
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(self._watch(), name="watch lanes"), tasks.create_task(self._keep_nudging())]
            settling = tasks.create_task(self._settle(), name="settle the feed")
            running = [tasks.create_task(lane.run(), name=f"lane {lane.name}") for lane in self.lanes]
            await self._read()
            for task in watching:
                task.cancel()
            for lane in self.lanes:
                lane.end()
            await asyncio.wait(running)
            self._ended = True
            self._settling.set()
            await settling

    def stop(self) -> None:
        self._stopping.set()
        for lane in self.lanes:
            lane.stop()
        self._consumer.halt()

    def why_not(self) -> str | None:
        """Why none of the lanes is fed right now; None when they are."""
        return self._trouble.why_not or self._consumer.trouble

    def is_current(self, delivery: Receipt) -> bool:
        return self._consumer.is_current(delivery)

    async def answer(self, lane: Lane, markers: Sequence[Delivery]) -> None:
        """Answers markers of a lane that has applied all that came before them: unless it turns out that another
        process has left something out, which comes first then.
        """
        try:
            await self._refresh()
        except PyMongoError:
            return
        if lane.state is State.LIVE and not lane.is_left_behind:
            await self._replier.reply(passed(list(markers)))
        else:
            lane.ask_later(markers)

    async def _read(self) -> None:
        async for deliveries in self._consumer.batches():
            latest = deliveries[-1]
            if not self.is_current(latest):
                continue
            is_new = self._latest is None or self._latest.session != latest.session
            if is_new and not await self._begin(latest):
                continue
            self._latest, self._arrived_at = latest.receipt(), time.monotonic()
            chunk = self._chunk(deliveries)
            self._held += len(deliveries)
            del deliveries, latest  # or all of these messages would be held until the next ones come
            for lane in self.lanes:
                lane.offer(chunk)
            if not chunk.waiting:
                self._settle_chunk(chunk)

    async def _begin(self, delivery: Delivery) -> bool:
        """The queue has become ours: whoever had it before may have left lanes behind. False when it is so no more."""
        attempt = 0
        while self.is_current(delivery):
            try:
                await self._refresh()
            except Exception as error:
                attempt += 1
                if self._stopping.is_set():
                    break
                await self._trouble.wait_after(attempt, error)
                continue
            self._trouble.over()
            self._held = 0
            for lane in self.lanes:
                lane.begin()
            return True
        self._trouble.over()
        return False

    def _chunk(self, deliveries: Sequence[Delivery]) -> Chunk:
        events: dict[str, list[DomainEvent]] = {}
        markers: dict[str, list[Delivery]] = {}
        letters: list[tuple[Delivery, UnreadableMessageError]] = []
        for delivery in deliveries:
            if is_marker(delivery):
                markers.setdefault(read_model_of(delivery), []).append(delivery)
                continue
            try:
                event = read_event(delivery)
            except UnreadableMessageError as error:
                letters.append((delivery, error))
            except Exception as error:
                logger.exception("a message could not be read", message_id=delivery.message_id)
                letters.append((delivery, UnreadableMessageError("projection_failed", type(error).__name__)))
            else:
                kind = event.aggregate_type
                if kind in self._types:
                    events.setdefault(kind, []).append(event)
                else:
                    detail = f"there are read models of {', '.join(sorted(self._types))} only"
                    letters.append((delivery, UnreadableMessageError("unexpected_aggregate", detail)))
        receipts = [delivery.receipt() for delivery in deliveries]
        return Chunk(receipts, events, markers, letters, kinds(deliveries), self._settle_chunk)

    def _settle_chunk(self, chunk: Chunk) -> None:
        self._let_go.append(chunk)
        self._settling.set()

    async def _settle(self) -> None:
        while True:
            if not self._let_go:
                if self._ended:
                    return
                self._settling.clear()
                await self._settling.wait()
                continue
            chunks, self._let_go = self._let_go, []
            await self._acknowledge([chunk for chunk in chunks if self.is_current(chunk.receipts[0])])

    async def _acknowledge(self, chunks: Sequence[Chunk]) -> None:
        letters = [letter for chunk in chunks for letter in chunk.letters]
        attempt = 0
        while letters:
            try:
                await self._dead_letters.send(letters)
                break
            except Exception as error:
                attempt += 1
                if self._stopping.is_set():
                    return
                await self._trouble.wait_after(attempt, error)
        self._trouble.over()
        count_dead_letters(self._metrics, FEED, letters)
        receipts = [receipt for chunk in chunks for receipt in chunk.receipts if self.is_current(receipt)]
        await self._consumer.ack(receipts)
        self._held -= len(receipts)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._latest is not None and not self.is_current(self._latest):
                self._latest = None
                for lane in self.lanes:
                    lane.rest()
            now = time.monotonic()
            is_active = now - self._arrived_at < ACTIVE_SECONDS
            for lane in self.lanes:
                if lane.is_paused():
                    lane.fall_behind(PAUSED)
                elif is_active and lane.state is State.LIVE and lane.is_left_behind:
                    lane.fall_behind(LEFT_BEHIND)
            runners = [lane for lane in self.lanes if lane.state in (State.LIVE, State.JOINING)]
            held_up_by = self._hold_ups.look(runners, is_full=self._held >= self._room, now=now)
            for lane in runners:
                if lane.name in held_up_by:
                    lane.fall_behind(HOLDS_UP)

    async def _keep_nudging(self) -> None:
        """A lane that lacks events says so in the catalogue; whose it is to run, only a delivery says."""
        while True:
            await asyncio.sleep(NUDGE_SECONDS)
            if any(lane.is_left_behind and not lane.is_paused() for lane in self.lanes):
                with suppress(Exception):
                    await self._nudge()
