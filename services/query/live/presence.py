"""Whether the askers of live queries are still there, and take what they get."""

from collections.abc import Iterable

import aiormq
import structlog

from shared.messaging.broker_errors import LOST
from shared.messaging.queue_probe import QueueProbe

logger = structlog.stdlib.get_logger(__name__)

MOST_WAITING = 10_000
"""Messages in a reply queue: its owner does not take them, and more would only fill the broker."""


class Presence:
    """Asks the broker about each reply address: a queue is gone when its owner deleted it or his connection ended, an
    address of direct replies when the channel is gone.

    <https://www.rabbitmq.com/docs/direct-reply-to>. Wants a connection of its own: a forged address may cost it.
    """

    def __init__(self, probe: QueueProbe) -> None:
        self._probe = probe

    async def look(self, addresses: Iterable[str]) -> dict[str, str]:
        """Why no more should be sent there, for each address of which that is so: `gone` or `slow`."""
        found: dict[str, str] = {}
        for address in addresses:
            try:
                waiting = await self._probe.messages(address)
            except aiormq.ChannelLockedResource:
                continue  # exclusive to its owner, who is there then
            except LOST as error:
                logger.info("can't look after askers", error=type(error).__name__)
                break
            if waiting is None:
                found[address] = "gone"
            elif waiting > MOST_WAITING:
                found[address] = "slow"
        return found
