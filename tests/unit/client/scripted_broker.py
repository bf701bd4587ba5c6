"""A publisher and a caller that do as they are told, for `CqrsClient`."""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.ports import PublishFailure


class ScriptedPublisher:
    """Answers each `publish` with the next list of results; with successes when there is none left."""

    def __init__(self, *results: Sequence[PublishFailure | None]) -> None:
        self.published: list[list[Envelope]] = []
        self._results = deque(results)

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]:
        self.published.append(list(envelopes))
        return list(self._results.popleft()) if self._results else [None] * len(envelopes)


class ScriptedCaller:
    """Answers each call with the next reply: a document, or an exception that is raised."""

    def __init__(self, *replies: dict[str, Any] | Exception) -> None:
        self.requests: list[Envelope] = []
        self.timeouts: list[float] = []
        self._replies = deque(replies)

    async def call(self, request: Envelope, *, timeout: float, expires: bool = True) -> Delivery:
        self.requests.append(request)
        self.timeouts.append(timeout)
        reply = self._replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return Delivery(
            queue="amq.rabbitmq.reply-to",
            session=1,
            delivery_tag=len(self.requests),
            redelivered=False,
            exchange="",
            routing_key="reply",
            type="CommandOutcome" if "command_id" in reply else "QueryAnswer",
            body=json.dumps(reply).encode(),
        )
