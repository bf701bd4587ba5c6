"""Asks the broker about queues, on a channel that may break over it."""

from contextlib import suppress
from types import TracebackType
from typing import Self

import aiormq
from aiormq.abc import AbstractChannel

from shared.messaging.broker_errors import LOST, unless_lost
from shared.messaging.connection import SupervisedConnection


class QueueProbe:
    """A passive declare of a missing queue closes the channel, so this has one of its own, opened when needed."""

    def __init__(self, connection: SupervisedConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None and not self._channel.is_closed:
            with suppress(*LOST):
                await unless_lost(self._channel.close())

    async def consumers(self, queue: str) -> int | None:
        """How many consumers the broker knows of, ours and others'; None when there is no such queue.

        Needs no permission on the queue. Raises what aiormq raises when the connection is lost.
        """
        if self._channel is None or self._channel.is_closed:
            connection = await self._connection.opened()
            self._channel = await unless_lost(connection.channel(publisher_confirms=False))
        try:
            answer = await unless_lost(self._channel.queue_declare(queue, passive=True))
        except aiormq.ChannelNotFoundEntity:
            return None
        return answer.consumer_count or 0
