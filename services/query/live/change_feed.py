"""Every change of some collections, in the order of their commits: one change stream of a process, for all who want it.

<https://www.mongodb.com/docs/manual/changeStreams/>. What a projector of another process writes is seen here, too, and
nothing that a majority does not have. Nobody wants changes: there is no stream.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from bson import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from services.query.cancelled import cancelled
from services.query.live.change import Change, read_change
from services.query.metrics import QueryMetrics
from services.query.mongo.collections import Database
from services.query.read_model import Document
from shared.messaging.backoff import Backoff

logger = structlog.stdlib.get_logger(__name__)

AWAIT_MS = 500
"""How long MongoDB waits for a change before it says that there is none: how soon a switched generation is noticed."""
SINCE_AWAIT_MS = 50
POSITION_LOST = frozenset({260, 280, 286})
"""InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost: there is no going on from there."""


class HistoryLostError(Exception):
    """MongoDB no longer knows, or never knew, what changed since then."""


@dataclass(frozen=True, slots=True)
class Missed:
    """All `changes` up to the moment `up_to`, itself included."""

    changes: Sequence[Change]
    up_to: Timestamp


class ChangeFeed:
    """`names` gives the collections to watch, anew each time: when they change, the stream begins anew with them.

    `changed` hears of each change; `missed` of a beginning: what was changed before it may have been missed. Both are
    called in turn, must be quick, and never raise.
    """

    def __init__(
        self,
        database: Database,
        names: Callable[[], Sequence[str]],
        *,
        changed: Callable[[Change], None],
        missed: Callable[[], None],
        metrics: QueryMetrics,
        backoff: Backoff | None = None,
    ) -> None:
        self._database = database
        self._names = names
        self._changed = changed
        self._missed = missed
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._position: Any = None
        self._open = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    async def opened(self) -> None:
        """Returns once every change from now on will be told. Waits for MongoDB as long as it takes."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="follow changes")
        await self._open.wait()

    async def close(self) -> None:
        """Until somebody asks for it again."""
        following, self._following = self._following, None
        self._open.clear()
        self._position = None
        if following is not None:
            await cancelled(following)

    async def since(self, moment: Timestamp, name: str, most: int) -> Missed:
        """The changes of a collection from that moment on. Raises HistoryLostError, also for more than `most` of them;
        PyMongoError.
        """
        now = await self.now()
        if moment > now:
            if moment > Timestamp(now.time, now.inc + 1):
                raise HistoryLostError("that is in the future")
            return Missed((), now)
        changes: list[Change] = []
        try:
            async with await self._database[name].watch(
                start_at_operation_time=moment, max_await_time_ms=SINCE_AWAIT_MS
            ) as stream:
                # a transaction's changes have one moment: having reached `now` is not yet having seen all of it
                while (raw := await stream.try_next()) is not None or _moment_of(stream.resume_token, moment) < now:
                    if raw is None:
                        continue
                    if (change := read_change(raw)) is None:
                        raise HistoryLostError(f"{name} is gone")
                    if change.moment > now:
                        break
                    changes.append(change)
                    if len(changes) > most:
                        raise HistoryLostError(f"more than {most} changes")
        except OperationFailure as error:
            if error.code in POSITION_LOST:
                raise HistoryLostError(f"code {error.code}") from error
            raise
        return Missed(changes, now)

    async def now(self) -> Timestamp:
        """The time of MongoDB's last write that a majority has, and that is read from then on. Raises PyMongoError."""
        hello = await self._database.command("hello")
        moment: Timestamp = hello["lastWrite"]["majorityOpTime"]["ts"]
        return moment

    async def _follow(self) -> None:
        attempt = 0
        while True:
            try:
                await self._watch(list(self._names()))
                attempt = 0
            except Exception as error:  # whatever it is, going on is the point of this task
                attempt = 1 if self._open.is_set() else attempt + 1
                self._open.clear()
                self._metrics.live_stream_failures.labels(type(error).__name__).inc()
                if isinstance(error, OperationFailure) and error.code in POSITION_LOST:
                    self._position = None
                if attempt == 1:
                    known = isinstance(error, PyMongoError)
                    logger.warning("changes are not heard of", error=type(error).__name__, exc_info=not known)
                await asyncio.sleep(self._backoff.delay(attempt))

    async def _watch(self, names: Sequence[str]) -> None:
        pipeline: list[Document] = [{"$match": {"ns.coll": {"$in": names}}}]
        async with await self._database.watch(
            pipeline, resume_after=self._position, max_await_time_ms=AWAIT_MS
        ) as stream:
            if self._position is None:
                self._missed()
            self._open.set()
            while list(self._names()) == names:
                raw = await stream.try_next()
                self._position = stream.resume_token
                if raw is not None and (change := read_change(raw)) is not None:
                    self._changed(change)
        self._position = None


def _moment_of(token: Any, before: Timestamp) -> Timestamp:
    """Up to where a stream with this resume token has looked: its text begins with the time, after a type's byte."""
    if token is None:
        return before
    data = token["_data"]
    return Timestamp(int(data[2:10], 16), int(data[10:18], 16))
