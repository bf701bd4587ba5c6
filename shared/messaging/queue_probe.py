"""Asks the broker about queues, on a channel that may break over it."""

from contextlib import suppress
from types import TracebackType
from typing import Self, cast

import aiormq
from pamqp import commands

from shared.messaging.broker_errors import LOST, unless_lost
from shared.messaging.connection import SupervisedConnection


class QueueProbe:
    """A passive declare of a missing queue closes the channel, so this has one of its own, opened when needed."""

    def __init__(self, connection: SupervisedConnection) -> None:
        self._connection = connection
        self._channel: aiormq.Channel | None = None

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
        answer = await self._look(queue)
        return None if answer is None else answer.consumer_count or 0

    async def messages(self, queue: str) -> int | None:
        """How many messages wait in it (0 for an address of direct replies); None when it is not there any more.

        Raises as `consumers` does, and aiormq.ChannelLockedResource for an exclusive queue, which is there then.
        """
        answer = await self._look(queue)
        return None if answer is None else answer.message_count or 0

    async def _look(self, queue: str) -> commands.Queue.DeclareOk | None:
        if self._channel is None or self._channel.is_closed:
            connection = await self._connection.opened()
            self._channel = cast(aiormq.Channel, await unless_lost(connection.channel(publisher_confirms=False)))
        try:
            answer = await unless_lost(self._channel.rpc(_PassiveDeclare(queue=queue, passive=True)))
        except aiormq.ChannelNotFoundEntity:
            return None
        if not isinstance(answer, commands.Queue.DeclareOk):
            raise aiormq.InvalidFrameError(answer)
        return answer


class _PassiveDeclare(commands.Queue.Declare):
    """pamqp knows fewer characters of names than the broker: those of a direct reply-to token and what clients choose
    are not all among them.
    """

    def validate(self) -> None:
        """The broker will say."""
