"""Many `GetUserById` at once, as long as they are ordinary: one read, and no models in between."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.query.freshness.demand import (
    MAX_STALENESS_HEADER,
    MAX_WAIT_HEADER,
    TOKEN_HEADER,
    InvalidDemandError,
    read_demand,
)
from services.query.freshness.freshness import Freshness
from services.query.freshness.recency import Recency
from services.query.generation_guard import GenerationGuard
from services.query.metrics import QueryMetrics
from services.query.mongo.document_loader import DocumentLoader
from services.query.read_model import Document
from services.query.read_models.users.view import is_visible, user_answer_json
from shared.contracts.answer import ANSWER_TYPE, ErrorCode
from shared.contracts.live import SUBSCRIBE_HEADER
from shared.contracts.queries import GetUserById
from shared.messaging.codec import UndecodableBodyError, decode_json
from shared.messaging.envelope import Delivery
from shared.messaging.reply import Reply

MAX_BODY = 256
OF_ITS_OWN = frozenset((MAX_STALENESS_HEADER, SUBSCRIBE_HEADER))
"""Headers that ask for more than an answer."""
DEMANDS = frozenset((TOKEN_HEADER, MAX_WAIT_HEADER))


@dataclass(frozen=True, slots=True)
class _Found:
    reply: Reply
    status: str
    document: Document | None


class GetUsersById:
    """A JointHandler: the answers are those of `GetUserByIdHandler`. What asks for more, or is wrong, it leaves, and so
    it does who knows of something that is not there yet.
    """

    def __init__(
        self,
        users: DocumentLoader,
        freshness: Freshness,
        recency: Recency,
        guard: GenerationGuard,
        metrics: QueryMetrics,
    ) -> None:
        self._users = users
        self._freshness = freshness
        self._recency = recency
        self._guard = guard
        self._metrics = metrics
        self._seconds = metrics.query_seconds.labels(GetUserById.type)

    def takes(self, request: Delivery) -> bool:
        return (
            request.type == GetUserById.type
            and len(request.body) <= MAX_BODY
            and not request.content_encoding
            and (not request.headers or OF_ITS_OWN.isdisjoint(request.headers))
            and not self._recency.holds_back
        )

    async def answer(self, requests: Sequence[Delivery]) -> Sequence[Reply | None]:
        """Raises PyMongoError."""
        asked = [_user_id(request) for request in requests]
        found = await self._guard.read(lambda: self._find({user_id for user_id in asked if user_id is not None}))
        answered = [
            found[user_id] if user_id is not None and self._is_met(request, found[user_id].document) else None
            for request, user_id in zip(requests, asked, strict=True)
        ]
        # In the next turn of the event loop: the answers are on their way by then.
        asyncio.get_running_loop().call_soon(self._count, time.monotonic(), requests, answered)
        return [None if answer is None else answer.reply for answer in answered]

    def _is_met(self, request: Delivery, document: Document | None) -> bool:
        if DEMANDS.isdisjoint(request.headers):
            return True
        try:
            return self._freshness.is_met(read_demand(request.headers), document)
        except InvalidDemandError:
            return False

    async def _find(self, user_ids: set[str]) -> Mapping[str, _Found]:
        """What is known of the read model's progress before the reading holds for what is read."""
        complete_until = await self._recency.complete_until()
        documents = await self._users.load_all(list(user_ids)) if user_ids else {}
        found = {}
        for user_id in user_ids:
            document = documents.get(user_id)
            body = user_answer_json(document, complete_until)
            status = "ok" if is_visible(document) else ErrorCode.USER_NOT_FOUND
            found[user_id] = _Found(Reply(type=ANSWER_TYPE, body=body), status, document)
        return found

    def _count(self, now: float, requests: Sequence[Delivery], answered: Sequence[_Found | None]) -> None:
        for request, answer in zip(requests, answered, strict=True):
            if answer is not None:
                self._seconds.observe(now - request.received_at)
        for status, number in Counter(answer.status for answer in answered if answer is not None).items():
            self._metrics.queries.labels(GetUserById.type, status).inc(number)


def _user_id(request: Delivery) -> str | None:
    """Whom it asks for; None when it is malformed."""
    try:
        return GetUserById.model_validate(decode_json(request.body)).user_id
    except (UndecodableBodyError, ValidationError):
        return None
