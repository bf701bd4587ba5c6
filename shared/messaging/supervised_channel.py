"""A channel that is opened and set up again whenever it is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import structlog

from shared.messaging.backoff import Backoff
from shared.messaging.broker_errors import LOST, closing_reason, in_words, unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.frame_channel import ChannelListener, FrameChannel
from shared.messaging.open_channel import open_channel

LASTING_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0

logger = structlog.stdlib.get_logger(__name__)


class SupervisedChannel:
    """Keeps one channel open on a connection.

    `set_up` is called with each new channel before anybody else gets it, `lost` (quick, and never raising) when it is
    gone. Attempts that fail, or channels that die young, are paced by a growing delay.
    """

    def __init__(
        self,
        connection: SupervisedConnection,
        listener: ChannelListener,
        *,
        set_up: Callable[[FrameChannel], Awaitable[None]],
        lost: Callable[[], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.connection = connection
        self.current: FrameChannel | None = None
        self._listener = listener
        self._set_up = set_up
        self._lost = lost
        self._backoff = backoff or Backoff()
        self._up = asyncio.Event()
        self._trouble: str | None = "no channel yet"
        self._supervision: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._supervision = asyncio.create_task(self._supervise(), name=f"channel {self.connection.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait({self._supervision})
        channel, self.current = self.current, None
        self._up.clear()
        if channel is not None:
            await _close(channel)
            self._lost()

    @property
    def trouble(self) -> str | None:
        """Why there is no channel right now; None when there is one."""
        return self.connection.trouble or self._trouble

    async def opened(self) -> FrameChannel:
        """The channel, waiting for it as long as it takes."""
        while self.current is None:
            await self._up.wait()
        return self.current

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            connection = await self.connection.opened()
            since = loop.time()
            try:
                channel = await unless_lost(open_channel(connection, self._listener))
                try:
                    await unless_lost(self._set_up(channel))
                    self.current, self._trouble = channel, None
                    self._up.set()
                    reason = await closing_reason(channel)
                finally:
                    if self.current is None:
                        await _close(channel)
                        self._lost()
                self._up.clear()
                self.current = None
                self._lost()
            except Exception as error:  # whatever it is, going on trying is the point of this task
                reason = in_words(error)
            self._report(reason)
            attempt = 1 if loop.time() - since > LASTING_SECONDS else attempt + 1
            await asyncio.sleep(self._backoff.delay(attempt))

    def _report(self, reason: str) -> None:
        trouble = f"channel lost: {reason}"
        if trouble != self._trouble:
            logger.warning("channel lost", connection=self.connection.name, reason=reason)
        self._trouble = trouble


async def _close(channel: FrameChannel) -> None:
    with suppress(*LOST):
        async with asyncio.timeout(CLOSE_SECONDS):
            await unless_lost(channel.close())
