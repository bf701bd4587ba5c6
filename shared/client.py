"""What Python programs use to send commands and ask queries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Self, TypeAlias
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.client_delivery import RECONNECT, Caller, CommandPublisher, deliver, outcome_of
from shared.client_errors import (
    AnswerTimeoutError,
    NotConnectedError,
    QueryNotSentError,
)
from shared.client_live import LEASE, LiveAnswers
from shared.client_live_link import LiveLink
from shared.client_messages import LiveQuestion, Question, UpdateT, ViewT, command_envelope, query_envelope, read_answer
from shared.client_subscription import subscription
from shared.client_tokens import SeenVersions
from shared.contracts.answer import Answered, Failed
from shared.contracts.base import Command
from shared.contracts.cloud_event import CloudEvent
from shared.contracts.consistency_token import MAX_TOKENS, ConsistencyToken, parse_tokens
from shared.contracts.outcome import Accepted, Rejected
from shared.messaging.connection import BrokerRefusedError, SupervisedConnection
from shared.messaging.publisher import AmqpPublisher
from shared.messaging.rpc_client import RpcClient, RpcError, RpcTimeoutError, RpcUnroutableError
from shared.runtime.logging import log_through_standard_library

SEND_BATCH = 500
RESEND_AFTER = 5.0
"""Seconds after which a command without an outcome is sent again; each further time twice as long."""


Subscribe: TypeAlias = Callable[[Sequence[str]], AbstractAsyncContextManager[AsyncIterator[CloudEvent]]]


class CqrsClient:
    """Sends commands and asks queries; many at a time, from any number of tasks.

    `async with CqrsClient.connect(amqp_url) as client: outcome = await client.send_and_wait(CreateUser(...))`.

    What `send_and_wait` has written, `ask` shows: the client keeps the consistency tokens of its outcomes and sends
    them along. Lost connections are made again. All times are in seconds; every error is a `ClientError`.
    """

    def __init__(
        self,
        publisher: CommandPublisher,
        caller: Caller,
        subscribe: Subscribe,
        live: LiveLink,
        *,
        read_your_writes: bool = True,
        new_id: Callable[[], UUID] = uuid7,
        resend_after: float = RESEND_AFTER,
    ) -> None:
        self._publisher = publisher
        self._caller = caller
        self._subscribe = subscribe
        self._live = live
        self._seen = SeenVersions() if read_your_writes else None
        self._new_id = new_id
        self._resend_after = resend_after

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, amqp_url: str, *, name: str = "client", read_your_writes: bool = True, connect_timeout: float = 10.0
    ) -> AsyncIterator[Self]:
        """Connects, with rights as the user `client` has them. `name` is what the broker shows for the connection.

        Raises NotConnectedError when there is no connection within `connect_timeout`.
        """
        log_through_standard_library()
        async with AsyncExitStack() as opened:
            connection = SupervisedConnection(amqp_url, name=name, connect_timeout=connect_timeout)
            try:
                await opened.enter_async_context(connection)
            except BrokerRefusedError as error:
                raise NotConnectedError(str(error)) from error
            await _until_connected(connection, connect_timeout)
            publisher = await opened.enter_async_context(AmqpPublisher(connection, timeout=connect_timeout))
            caller = await opened.enter_async_context(RpcClient(connection))

            def subscribe(keys: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[CloudEvent]]:
                return subscription(amqp_url, keys, f"{name}: events", uuid7(), connect_timeout=connect_timeout)

            live = await opened.enter_async_context(LiveLink(connection, uuid7))
            yield cls(publisher, caller, subscribe, live, read_your_writes=read_your_writes)

    async def send(
        self,
        command: Command,
        *,
        command_id: UUID | None = None,
        expected_version: int | None = None,
        expiration: float | None = None,
        timeout: float = 30.0,
    ) -> UUID:
        """Gives the command to the broker and returns its id; it is safe there then, and not yet done.

        `command_id` is the idempotency key: whatever is sent again with it is applied once. `expected_version` refuses
        the command when the aggregate stands at another one. `expiration` is how long it may wait to be handled.

        Repeats until `timeout`, then raises CommandsNotSentError.
        """
        command_id = command_id or self._new_id()
        envelope = command_envelope(command, command_id, expected_version=expected_version, expiration=expiration)
        await deliver(self._publisher, {command_id: envelope}, timeout)
        return command_id

    async def send_many(
        self, commands: Sequence[Command], *, command_ids: Sequence[UUID] | None = None, timeout: float = 60.0
    ) -> list[UUID]:
        """Gives all to the broker, in order, and waits for the confirms together; returns their ids, in the same order.

        One that had to be repeated comes after those behind it. Raises CommandsNotSentError with those that are not
        known to have arrived.
        """
        ids = list(command_ids) if command_ids is not None else [self._new_id() for _ in commands]
        deadline = _now() + timeout
        for start in range(0, len(ids), SEND_BATCH):
            batch = zip(ids[start : start + SEND_BATCH], commands[start : start + SEND_BATCH], strict=True)
            envelopes = {id_: command_envelope(command, id_) for id_, command in batch}
            await deliver(self._publisher, envelopes, deadline - _now())
        return ids

    async def send_and_wait(
        self,
        command: Command,
        *,
        command_id: UUID | None = None,
        expected_version: int | None = None,
        expiration: float | None = None,
        timeout: float = 10.0,
    ) -> Accepted | Rejected:
        """Sends the command and returns its outcome.

        While there is none the command is sent again, with the same id, when the connection was lost and every few
        seconds: a reply may get lost, and the same id always gets the same outcome. Raises CommandsNotSentError when
        the broker has no queue for it, OutcomeTimeoutError after `timeout`.
        """
        command_id = command_id or self._new_id()
        outcome = await outcome_of(
            self._caller,
            command,
            command_id or self._new_id(),
            expected_version=expected_version,
            expiration=expiration,
            timeout=timeout,
            resend_after=self._resend_after,
        )
        if self._seen is not None and isinstance(outcome, Accepted):
            for token in parse_tokens(outcome.consistency_token):
                self._seen.saw(token)
        return outcome

    async def ask(
        self,
        query: Question[ViewT],
        *,
        timeout: float = 5.0,
        max_wait: float | None = None,
        max_staleness: float | None = None,
        consistency_token: str | None = None,
    ) -> Answered[ViewT] | Failed:
        """Asks the query; the answer's `data` is the query's view: a `UserView` for `GetUserById`.

        The answer shows at least what `send_and_wait` of this client has written, and the versions of the
        `consistency_token` (one, or several separated by commas). The read model gets up to `max_wait` (the service's
        default: 1 s; keep it below `timeout`) to reach them, and to be at most `max_staleness` behind, else the answer
        is `stale_read`. Raises InvalidTokenError for a token that is none, QueryNotSentError, and AnswerTimeoutError
        after `timeout`.
        """
        tokens = self._tokens_for(query.type, consistency_token)
        envelope = query_envelope(query, tokens=tokens, max_wait=max_wait, max_staleness=max_staleness)
        deadline, losses = _now() + timeout, 0
        while (left := deadline - _now()) > 0:
            try:
                reply = await self._caller.call(envelope, timeout=left)
            except RpcUnroutableError as error:
                raise QueryNotSentError("the broker has no queue for queries; has the system been set up?") from error
            except RpcTimeoutError:
                break
            except RpcError:
                losses += 1
                await asyncio.sleep(RECONNECT.delay(losses))
            else:
                answer = read_answer(reply, query.view)
                if self._seen is not None and isinstance(answer, Answered):
                    self._seen.shown(query.type, tokens)
                return answer
        raise AnswerTimeoutError(f"no answer to {query.type} within {timeout:g} s")

    def subscribe(
        self, query: LiveQuestion[ViewT, UpdateT], *, consistency_token: str | None = None, lease: float = LEASE
    ) -> LiveAnswers[ViewT, UpdateT]:
        """Asks the query and goes on: `async for answer in client.subscribe(GetUserById(user_id="alice"))`.

        The first answer is what `ask` would give; then comes every change of it, in order, over lost connections and
        processes that stop or die. `lease` is how long, in seconds, the service follows it for us after we are gone.
        See `LiveAnswers`, and the query's `update_view` for what an update holds. Raises InvalidTokenError.
        """
        tokens = self._tokens_for(query.type, consistency_token)
        return LiveAnswers(self._live, query, tokens, lease=lease, new_id=self._new_id)

    def events(self, *binding_keys: str) -> AbstractAsyncContextManager[AsyncIterator[CloudEvent]]:
        """Subscribes to domain events, live: `async with client.events("user.#") as events: async for event in events`.

        Without a key: all. From the moment that the block is entered none is left out; when the connection is lost the
        iterator raises SubscriptionLostError, because some may have been missed then.
        """
        return self._subscribe(binding_keys or ("#",))

    def _tokens_for(self, query_type: str, given: str | None) -> tuple[ConsistencyToken, ...]:
        asked_for = parse_tokens(given) if given else ()
        carried = self._seen.unshown(query_type) if self._seen is not None else ()
        return (*asked_for, *carried)[:MAX_TOKENS]


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until_connected(connection: SupervisedConnection, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await connection.opened()
    except TimeoutError:
        raise NotConnectedError(connection.trouble or "no connection to the broker in time") from None
