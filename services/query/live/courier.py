"""Brings the messages of live queries to their askers: in order, and none left out."""

import asyncio
from collections.abc import Sequence

from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Envelope
from shared.messaging.ports import Publisher, PublishFailure, Replier
from shared.messaging.reply_address import direct_reply_node


class AskerGoneError(Exception):
    """The reply queue is not there any more."""


class Courier:
    """A queue `reply.<anything>` gets them with confirms, and its end is noticed by the first message that comes back.

    A direct reply-to token gets them as any reply: with `mandatory` it would have them *and* send them back. Whether
    anybody is there is for `Presence` to see.
    """

    def __init__(self, publisher: Publisher, replier: Replier, *, backoff: Backoff | None = None) -> None:
        self._publisher = publisher
        self._replier = replier
        self._backoff = backoff or Backoff()

    async def bring(self, messages: Sequence[Envelope]) -> None:
        """All to one address. Returns when the broker has them; tries as long as it takes. Raises AskerGoneError.

        One that failed is sent again with all after it, so that whoever drops what he has seen has them in order.
        """
        if not messages:
            return
        if direct_reply_node(messages[0].routing_key) is not None:
            await self._replier.reply(messages)
            return
        attempt = 0
        while messages:
            results = await self._publisher.publish(messages)
            if PublishFailure.UNROUTABLE in results:
                raise AskerGoneError
            failed = next((index for index, result in enumerate(results) if result is not None), len(messages))
            messages = messages[failed:]
            if messages:
                attempt = 1 if failed else attempt + 1
                await asyncio.sleep(self._backoff.delay(attempt))
