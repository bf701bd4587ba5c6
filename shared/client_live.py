"""Live queries: an answer, and every change of it, for as long as somebody listens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self
from uuid import UUID

import structlog

from shared.client_errors import NotTheContractError, QueryNotSentError
from shared.client_live_link import Inbox, LinkLostError, LiveLink, UnroutableError
from shared.client_messages import LiveQuestion, UpdateT, ViewT, query_envelope, read_answer, read_update
from shared.contracts.answer import Answered, ErrorCode, Failed
from shared.contracts.consistency_token import ConsistencyToken
from shared.contracts.live import (
    LEASE_HEADER,
    RENEWED_TYPE,
    RESUME_HEADER,
    SEQUENCE_HEADER,
    SUBSCRIBE_HEADER,
    SUBSCRIPTION_HEADER,
    UPDATE_TYPE,
)
from shared.contracts.queries import CancelSubscription, RenewSubscription
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery, HeaderValue

LEASE = 30.0
ANSWER_SECONDS = 5.0
RENEW_PER_LEASE = 3
"""How often in a lease it is renewed. Who holds it has to say so each time; when he does not, we ask elsewhere."""

logger = structlog.stdlib.get_logger(__name__)


class _AskAgainError(Exception):
    """The subscription is no more, and another one may go on after it."""


class LiveAnswers(Generic[ViewT, UpdateT]):
    """`async with client.subscribe(query) as answers: async for answer in answers: …`, or `async for` alone.

    The first is the answer; each further one is an update of it. A lost connection, a process of the service that
    stops or dies and an ended lease are dealt with: it asks again with the token of the last one, so that none is left
    out. Failed when the service refuses the query; iteration ends after that. (`user_not_found` is an answer, too: it
    may change.) Raises QueryNotSentError when there is no system to ask.
    """

    def __init__(
        self,
        link: LiveLink,
        query: LiveQuestion[ViewT, UpdateT],
        tokens: tuple[ConsistencyToken, ...],
        *,
        lease: float,
        new_id: Callable[[], UUID],
    ) -> None:
        self._link = link
        self._query = query
        self._tokens = tokens
        self._lease = lease
        self._new_id = new_id
        self._answers = self._listen()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._answers.aclose()

    def __aiter__(self) -> AsyncGenerator[Answered[ViewT] | Answered[UpdateT] | Failed, None]:
        return self._answers

    async def _listen(self) -> AsyncGenerator[Answered[ViewT] | Answered[UpdateT] | Failed, None]:
        backoff, attempt = Backoff(first=0.1, longest=2.0), 0
        token: str | None = None
        while True:
            session = _Session(self._link, self._query, str(self._new_id()))
            try:
                async for answer, place in session.run(self._tokens, token, self._lease):
                    attempt, token = 0, place
                    yield answer
                return
            except UnroutableError as error:
                raise QueryNotSentError("the broker has no queue for queries; has the system been set up?") from error
            except (_AskAgainError, LinkLostError, TimeoutError) as why:
                attempt += 1
                logger.info("live query asks again", type=self._query.type, why=str(why) or type(why).__name__)
            finally:
                with suppress(LinkLostError):
                    await session.close()
            await asyncio.sleep(backoff.delay(attempt))


class _Session(Generic[ViewT, UpdateT]):
    """One subscription, from the question to its end."""

    def __init__(self, link: LiveLink, query: LiveQuestion[ViewT, UpdateT], correlation_id: str) -> None:
        self._link = link
        self._query = query
        self._correlation_id = correlation_id
        self._subscription: UUID | None = None
        self._early: dict[int, Delivery] = {}

    async def run(
        self, tokens: tuple[ConsistencyToken, ...], resume_token: str | None, lease: float
    ) -> AsyncGenerator[tuple[Answered[ViewT] | Answered[UpdateT] | Failed, str | None], None]:
        """Each answer with the token that goes on after it. Ends after a refusal."""
        inbox = await self._link.inbox(self._correlation_id)
        headers: dict[str, HeaderValue] = {SUBSCRIBE_HEADER: True, LEASE_HEADER: round(lease * 1000)}
        if resume_token is not None:
            headers[RESUME_HEADER] = resume_token
        await self._link.ask(query_envelope(self._query, tokens=tokens, headers=headers), self._correlation_id)
        async with asyncio.timeout(ANSWER_SECONDS):
            first = await inbox.next()
        answer = read_answer(first, self._query.view)
        if SUBSCRIPTION_HEADER not in first.headers:
            if resume_token is not None and isinstance(answer, Failed) and not answer.error.retryable:
                raise NotTheContractError(f"a resume token is refused: {answer.error.code}")
            if isinstance(answer, Failed) and answer.error.retryable:
                raise _AskAgainError(answer.error.code)
            yield answer, None
            return
        self._subscription = UUID(str(first.headers[SUBSCRIPTION_HEADER]))
        if _token(first) != resume_token:  # else it is what we had last
            yield answer, _token(first)
        async for update in self._updates(inbox, _number(first, LEASE_HEADER) / 1000):
            yield read_update(update, self._query.update_view), _token(update)

    async def close(self) -> None:
        self._link.forget(self._correlation_id)
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            await self._link.ask(query_envelope(CancelSubscription(subscription_id=subscription)), self._correlation_id)

    async def _updates(self, inbox: Inbox, lease: float) -> AsyncGenerator[Delivery, None]:
        """In order, each once; renews the lease meanwhile."""
        loop = asyncio.get_running_loop()
        period = lease / RENEW_PER_LEASE
        renew_at, heard_at = loop.time() + period, loop.time()
        expected = 1
        while True:
            try:
                async with asyncio.timeout_at(renew_at):
                    message = await inbox.next()
            except TimeoutError:
                if loop.time() - heard_at > 2 * period:
                    raise _AskAgainError("who held it is silent") from None
                await self._renew()
                renew_at = loop.time() + period
                continue
            if message.type == RENEWED_TYPE:
                heard_at = loop.time()
            elif message.type == UPDATE_TYPE:
                heard_at = loop.time()
                self._early[_number(message, SEQUENCE_HEADER)] = message
                while (due := self._early.pop(expected, None)) is not None:
                    expected += 1
                    self._unless_ended(due)
                    yield due
            else:
                self._unless_unknown(message)

    async def _renew(self) -> None:
        assert self._subscription is not None  # noqa: S101 - set before anything is renewed
        renewal = RenewSubscription(subscription_id=self._subscription)
        await self._link.ask(query_envelope(renewal), self._correlation_id)

    def _unless_ended(self, update: Delivery) -> None:
        answer = read_update(update, self._query.update_view)
        if isinstance(answer, Failed) and answer.error.code == ErrorCode.SUBSCRIPTION_ENDED:
            self._subscription = None
            raise _AskAgainError(answer.error.message)

    def _unless_unknown(self, reply: Delivery) -> None:
        answer = read_answer(reply, RenewSubscription.view)
        if isinstance(answer, Answered) and answer.data.status == "unknown":
            self._subscription = None
            raise _AskAgainError("it has ended")


def _token(message: Delivery) -> str:
    token = message.headers.get(RESUME_HEADER)
    if not isinstance(token, str):
        raise NotTheContractError(f"a {message.type} without {RESUME_HEADER}")
    return token


def _number(message: Delivery, header: str) -> int:
    number = message.headers.get(header)
    if not isinstance(number, int):
        raise NotTheContractError(f"a {message.type} without {header}")
    return number
