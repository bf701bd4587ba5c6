"""A connection of aiormq's whose frames we see first."""

import aiormq
from yarl import URL

from shared.messaging.transport import FrameGuard, GuardedTransport


class BrokerConnection(aiormq.Connection):
    """`fast` says how its channels take messages (see open_channel.py). The transport is its own."""

    def __init__(self, url: URL, transport: GuardedTransport, *, name: str, fast: bool) -> None:
        super().__init__(url, client_properties={"connection_name": name}, transport_factory=transport)
        self.fast = fast
        self._transport = transport

    @property
    def guard(self) -> FrameGuard:
        if self._transport.guard is None:
            raise ConnectionError("not connected")
        return self._transport.guard
