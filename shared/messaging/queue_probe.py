"""Asks the broker about queues, on a channel that may break over it."""

from contextlib import suppress
from types import TracebackType
from typing import Self, cast

import aiormq
from pamqp import commands

from shared.messaging.broker_errors import LOST, in_words, unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.topology import Queue


class QueueProbe:
    """What the broker says no to closes the channel, so this has one of its own, opened when needed."""

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

    async def objection(self, wanted: Queue) -> str | None:
        """What is wrong with a queue that is there, such as "exists with other arguments: …"; None when nothing is.

        The broker is asked to declare it, and objects where it differs: the only way to learn of other arguments, and
        one that needs the permission to configure the queue. Ask only about a queue that is there: any other would be
        made, with nothing bound to it. Raises like `consumers`.
        """
        channel = await self._opened()
        try:
            await unless_lost(channel.queue_declare(wanted.name, durable=True, arguments=dict(wanted.arguments)))
        except aiormq.ChannelPreconditionFailed as error:
            return f"exists with other arguments: {in_words(error)}"
        except (aiormq.ChannelAccessRefused, aiormq.ChannelNotFoundEntity) as error:
            return f"can't be looked at: {in_words(error)}"
        return None

    async def _opened(self) -> aiormq.Channel:
        if self._channel is None or self._channel.is_closed:
            connection = await self._connection.opened()
            self._channel = cast(aiormq.Channel, await unless_lost(connection.channel(publisher_confirms=False)))
        return self._channel

    async def _look(self, queue: str) -> commands.Queue.DeclareOk | None:
        channel = await self._opened()
        try:
            answer = await unless_lost(channel.rpc(_PassiveDeclare(queue=queue, passive=True)))
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
