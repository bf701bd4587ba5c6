"""What a service needs of a broker.

The adapters and the fakes pass one conformance suite (`tests/integration/messaging`).
"""

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Protocol

from shared.messaging.envelope import Delivery, Envelope, Receipt


class PublishFailure(StrEnum):
    """Why a message is not known to be on a queue. Every one of them may be tried again with the same message id."""

    UNROUTABLE = "unroutable"
    """The broker returned it: no queue is bound for it."""
    REFUSED = "refused"
    """The broker said no (basic.nack): a queue is full or failed."""
    UNCONFIRMED = "unconfirmed"
    """No answer: the connection went away or time ran out. The message may have been delivered all the same."""


class BatchConsumer(Protocol):
    """Messages from one or more queues, in batches; each queue's own order is kept."""

    def batches(self) -> AsyncIterator[list[Delivery]]:
        """Yields what has arrived: at least one message, at most `max_batch`, waiting `linger` seconds to fill up
        where more is to be expected in that time.

        Outlives lost connections, and ends after `stop()` once what had arrived is handed out.
        """
        ...

    async def ack(self, deliveries: Sequence[Receipt]) -> None:
        """Says that these are done. One whose channel is gone is skipped: it will be delivered again."""
        ...

    async def requeue(self, deliveries: Sequence[Delivery]) -> None:
        """Gives these back to their queues, to be delivered again."""
        ...

    def is_current(self, delivery: Receipt) -> bool:
        """Whether the channel that it came on lives: if not, it will be delivered again and work on it is wasted."""
        ...

    async def stop(self) -> None:
        """Stops intake (basic.cancel). What has arrived can still be acknowledged."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why it is not consuming right now, in a few words for `/readyz`; None when it is."""
        ...


class Publisher(Protocol):
    """Publishes with confirms and `mandatory`, a batch at a time."""

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
        """Publishes all, in order, and waits for the broker's word on each: None where it is safe on a queue.

        Result i belongs to envelope i. Never raises for the broker's sake: while there is no connection it waits up to
        its `timeout` seconds and then answers UNCONFIRMED.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """As BatchConsumer.trouble."""
        ...


class Replier(Protocol):
    """Sends replies: not mandatory, not confirmed, best effort, on a connection of its own."""

    async def reply(self, replies: Sequence[Envelope]) -> None:
        """Sends all, to the default exchange. One that can't be sent is dropped and counted; never raises for it.

        The caller has checked every address with `reply_address.is_allowed`.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """As BatchConsumer.trouble."""
        ...
