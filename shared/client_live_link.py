"""What the live queries of a client share: a reply queue of its own, on a channel of the client's connection."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import UUID

from shared.messaging.broker_errors import unless_lost
from shared.messaging.connection import SupervisedConnection
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.frame_channel import FrameChannel
from shared.messaging.frames import publish_frames
from shared.messaging.supervised_channel import SupervisedChannel

MOST_UNREAD = 10_000
"""Messages for one live query that its reader has not taken: it then begins anew where he stands."""
CONSUMER = "live queries"
UNUSED_MS = 60_000
"""After that long without a consumer the broker deletes the queue, should it have missed our end."""


class LinkLostError(Exception):
    """What was coming is lost: the connection, or a reader who took too little."""


class UnroutableError(Exception):
    """The broker has no queue for queries."""


class Inbox:
    """What has come for one live query."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Delivery | Exception] = asyncio.Queue()

    async def next(self) -> Delivery:
        """Raises LinkLostError and UnroutableError."""
        message = await self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    def put(self, message: Delivery) -> bool:
        """False when it is full."""
        self._messages.put_nowait(message)
        return self._messages.qsize() < MOST_UNREAD

    def fail(self, error: Exception) -> None:
        """What came before is still to be had."""
        self._messages.put_nowait(error)


class LiveLink:
    """`async with LiveLink(connection, new_id) as link`. Opens its channel with the first live query."""

    def __init__(self, connection: SupervisedConnection, new_id: Callable[[], UUID]) -> None:
        self._new_id = new_id
        self._channel = SupervisedChannel(connection, self, set_up=self._set_up, lost=self._lost)
        self._reply_to = ""
        self._inboxes: dict[str, Inbox] = {}
        self._begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun:
            await self._channel.__aexit__(kind, error, trace)

    async def inbox(self, correlation_id: str) -> Inbox:
        """For what comes with this id; waits for a connection as long as it takes."""
        if not self._begun:
            self._begun = True
            await self._channel.__aenter__()
        await self._channel.opened()
        inbox = self._inboxes[correlation_id] = Inbox()
        return inbox

    def forget(self, correlation_id: str) -> None:
        self._inboxes.pop(correlation_id, None)

    async def ask(self, request: Envelope, correlation_id: str) -> None:
        """Raises LinkLostError."""
        channel = self._channel.current
        if channel is None:
            raise LinkLostError("no connection to the broker")
        request = replace(request, reply_to=self._reply_to, correlation_id=correlation_id)
        frames = publish_frames(channel.number, request, mandatory=True, frame_max=channel.frame_max)
        await channel.writable()
        try:
            channel.write(frames)
        except ConnectionError as error:
            raise LinkLostError(str(error)) from error

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            inbox = self._inboxes.get(delivery.correlation_id or "")
            if inbox is not None and not inbox.put(delivery):
                self.forget(delivery.correlation_id or "")
                inbox.fail(LinkLostError("too much is unread"))

    def on_return(self, message: Delivery) -> None:
        inbox = self._inboxes.get(message.correlation_id or "")
        if inbox is not None:
            inbox.fail(UnroutableError())

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """The answer says more than a confirm."""

    def on_cancel(self, consumer_tag: str) -> None:
        """Somebody deleted our queue: a new channel gets a new one."""
        channel = self._channel.current
        if channel is not None:
            channel.create_task(channel.close())

    async def _set_up(self, channel: FrameChannel) -> None:
        self._reply_to = f"reply.{self._new_id()}"
        # Durable and not exclusive: RabbitMQ 4.3 refuses transient queues that are not exclusive, and of an
        # exclusive one the service can not see how much waits in it.
        await unless_lost(
            channel.queue_declare(self._reply_to, durable=True, auto_delete=True, arguments={"x-expires": UNUSED_MS})
        )
        await unless_lost(channel.consume(self._reply_to, consumer_tag=CONSUMER, no_ack=True))

    def _lost(self) -> None:
        inboxes, self._inboxes = self._inboxes, {}
        for inbox in inboxes.values():
            inbox.fail(LinkLostError("the connection to the broker was lost"))
