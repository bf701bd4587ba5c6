"""Which reply of a server never arrives: the moment at which a client can't know whether its request was done."""

import re

LONGEST = 64
"""Bytes of a pattern's match at most: it may begin in one piece of the stream and end in the next."""


class ReplyLoss:
    """The next `times` replies that match `reply`; with `request`, only those to a request that matches it.

    With `request` the connection must be one of a reply for each request, as those of MongoDB and PostgreSQL are.
    `count` is how many were lost. A reply that matches is proof that the server has carried out what was asked.
    """

    def __init__(self, reply: re.Pattern[bytes], *, request: re.Pattern[bytes] | None = None, times: int = 1) -> None:
        self._reply = reply
        self._request = request
        self._times = times
        self.count = 0

    def listen(self) -> "Heard":
        """To a connection."""
        return Heard(self, self._reply, self._request)

    def take(self) -> bool:
        """False when all were lost already."""
        if self.count >= self._times:
            return False
        self.count += 1
        return True


class Heard:
    """What has passed on one connection."""

    def __init__(self, loss: ReplyLoss, reply: re.Pattern[bytes], request: re.Pattern[bytes] | None) -> None:
        self._loss = loss
        self._reply = reply
        self._request = request
        self._asked = request is None
        self._from_client = b""
        self._from_server = b""

    def asks(self, data: bytes) -> None:
        """A piece of what the client sends."""
        if self._request is None:
            return
        heard = self._from_client + data
        self._asked = self._asked or self._request.search(heard) is not None
        self._from_client = heard[-LONGEST:]

    def is_lost(self, data: bytes) -> bool:
        """Whether this piece of what the server sends, and all after it, must not arrive."""
        heard = self._from_server + data
        self._from_server = heard[-LONGEST:]
        if not self._asked:
            return False
        if self._request is not None:
            self._asked, self._from_client = False, b""
        return self._reply.search(heard) is not None and self._loss.take()
