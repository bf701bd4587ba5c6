"""Commands to the broker, and their outcomes back, over connections and replies that may get lost."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from shared.client_errors import CommandsNotSentError, OutcomeTimeoutError
from shared.client_messages import command_envelope, read_outcome
from shared.contracts.base import Command
from shared.contracts.outcome import Accepted, Rejected
from shared.messaging.backoff import Backoff
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.ports import PublishFailure
from shared.messaging.rpc_client import RpcError, RpcTimeoutError, RpcUnroutableError

RECONNECT = Backoff(first=0.1, longest=2.0)


class CommandPublisher(Protocol):
    """What a client needs to be sure that a message has arrived (`AmqpPublisher`)."""

    async def publish(self, envelopes: Sequence[Envelope]) -> list[PublishFailure | None]: ...


class Caller(Protocol):
    """What a client needs to get a reply (`RpcClient`)."""

    async def call(self, request: Envelope, *, timeout: float, expires: bool = True) -> Delivery: ...


async def deliver(publisher: CommandPublisher, envelopes: Mapping[UUID, Envelope], timeout: float) -> None:
    """Publishes until every one is confirmed, repeating what failed. Raises CommandsNotSentError after `timeout`."""
    deadline, repeats = _now() + timeout, 0
    while failures := await _publish(publisher, envelopes, deadline):
        repeats += 1
        delay = RECONNECT.delay(repeats)
        if PublishFailure.UNROUTABLE in failures.values() or _now() + delay >= deadline:
            raise CommandsNotSentError(failures)
        await asyncio.sleep(delay)
        envelopes = {command_id: envelopes[command_id] for command_id in failures}


async def outcome_of(
    caller: Caller,
    command: Command,
    command_id: UUID,
    *,
    expected_version: int | None,
    expiration: float | None,
    timeout: float,
    resend_after: float,
) -> Accepted | Rejected:
    """Sends the command with a reply address until its outcome comes; see `CqrsClient.send_and_wait`."""
    begin, patience, losses = _now(), resend_after, 0
    while (passed := _now() - begin) < timeout and (expiration is None or passed < expiration):
        left = timeout - passed
        lifetime = None if expiration is None else expiration - passed
        envelope = command_envelope(command, command_id, expected_version=expected_version, expiration=lifetime)
        resend = lifetime is None or patience < lifetime  # what is sent again must not outlive the first expiration
        try:
            reply = await caller.call(envelope, timeout=min(left, patience) if resend else left, expires=False)
        except RpcUnroutableError as error:
            raise CommandsNotSentError({command_id: PublishFailure.UNROUTABLE}) from error
        except RpcTimeoutError:
            patience *= 2
        except RpcError:
            losses += 1
            await asyncio.sleep(RECONNECT.delay(losses))
        else:
            return read_outcome(reply)
    raise OutcomeTimeoutError(command_id, timeout)


async def _publish(
    publisher: CommandPublisher, envelopes: Mapping[UUID, Envelope], deadline: float
) -> dict[UUID, PublishFailure]:
    try:
        async with asyncio.timeout_at(deadline):
            results = await publisher.publish(list(envelopes.values()))
    except TimeoutError:
        return dict.fromkeys(envelopes, PublishFailure.UNCONFIRMED)
    return {id_: failure for id_, failure in zip(envelopes, results, strict=True) if failure is not None}


def _now() -> float:
    return asyncio.get_running_loop().time()
