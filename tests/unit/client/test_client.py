import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.client import CqrsClient
from shared.client_errors import (
    AnswerTimeoutError,
    CommandsNotSentError,
    NotTheContractError,
    OutcomeTimeoutError,
    QueryNotSentError,
)
from shared.client_live_link import LiveLink
from shared.contracts.answer import Answered, Failed
from shared.contracts.commands import CreateUser, DeactivateUser
from shared.contracts.outcome import Accepted, Rejected
from shared.contracts.queries import GetAllUsers, GetUserById
from shared.messaging.connection import SupervisedConnection
from shared.messaging.ports import PublishFailure
from shared.messaging.rpc_client import RpcConnectionLostError, RpcTimeoutError, RpcUnroutableError
from tests.unit.client.scripted_broker import ScriptedCaller, ScriptedPublisher

NO_LINK = LiveLink(SupervisedConnection("amqp://nowhere", name="test"), uuid4)
COMMAND_ID = UUID("0192f000-0000-7000-8000-000000000001")
CREATE = CreateUser(user_id="alice", name="Alice", email="alice@example.com")
ACCEPTED = {
    "status": "accepted",
    "command_id": str(COMMAND_ID),
    "aggregate_id": "alice",
    "version": 1,
    "consistency_token": "user/alice@1",
}
REJECTED = {
    "status": "rejected",
    "command_id": str(COMMAND_ID),
    "error": {"code": "email_taken", "message": "alice@example.com is taken"},
}
ALICE = {
    "user_id": "alice",
    "name": "Alice",
    "email": "alice@example.com",
    "status": "active",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "version": 1,
}
FOUND = {"status": "ok", "data": ALICE, "as_of": {"version": 1, "time": "2026-01-01T00:00:00Z"}}
EMPTY_PAGE = {"status": "ok", "data": {"items": []}, "as_of": {}}
NOT_FOUND = {"status": "error", "error": {"code": "user_not_found", "message": "no user bob", "retryable": False}}
STALE = {"status": "error", "error": {"code": "stale_read", "message": "not yet", "retryable": True}}


def client_of(
    publisher: ScriptedPublisher | None = None, caller: ScriptedCaller | None = None, **options: Any
) -> CqrsClient:
    def no_events(_keys: object) -> Any:
        raise NotImplementedError

    return CqrsClient(publisher or ScriptedPublisher(), caller or ScriptedCaller(), no_events, NO_LINK, **options)


async def test_a_command_goes_out_as_the_contract_says() -> None:
    publisher = ScriptedPublisher()
    sent = await client_of(publisher).send(CREATE, command_id=COMMAND_ID, expected_version=4, expiration=1.5)
    ((envelope,),) = publisher.published
    assert sent == COMMAND_ID
    assert (envelope.exchange, envelope.routing_key, envelope.type) == ("commands", "alice", "CreateUser")
    assert (envelope.message_id, envelope.persistent) == (str(COMMAND_ID), True)
    assert envelope.content_type == "application/json"
    assert envelope.headers == {"schema-version": 1, "expected-version": 4}
    assert envelope.expiration_ms == 1500
    assert json.loads(envelope.body) == {"user_id": "alice", "name": "Alice", "email": "alice@example.com"}


async def test_an_optional_field_that_is_not_given_is_not_sent() -> None:
    publisher = ScriptedPublisher()
    await client_of(publisher).send(DeactivateUser(user_id="alice"))
    assert json.loads(publisher.published[0][0].body) == {"user_id": "alice"}


async def test_a_command_gets_a_version_7_id() -> None:
    assert (await client_of().send(CREATE)).version == 7


@pytest.mark.parametrize("failure", [PublishFailure.UNCONFIRMED, PublishFailure.REFUSED])
async def test_an_unsafe_publish_is_repeated_with_the_same_id(failure: PublishFailure) -> None:
    publisher = ScriptedPublisher([failure], [failure])
    command_id = await client_of(publisher).send(CREATE)
    assert [batch[0].message_id for batch in publisher.published] == [str(command_id)] * 3


async def test_an_unroutable_command_is_an_error_at_once() -> None:
    publisher = ScriptedPublisher([PublishFailure.UNROUTABLE])
    with pytest.raises(CommandsNotSentError, match="has the system been set up") as raised:
        await client_of(publisher).send(CREATE, command_id=COMMAND_ID)
    assert raised.value.failures == {COMMAND_ID: PublishFailure.UNROUTABLE}
    assert len(publisher.published) == 1


async def test_a_command_that_is_never_confirmed_is_an_error_after_the_timeout() -> None:
    publisher = ScriptedPublisher(*([PublishFailure.UNCONFIRMED] for _ in range(50)))
    with pytest.raises(CommandsNotSentError, match="may have arrived all the same"):
        await client_of(publisher).send(CREATE, timeout=0.3)


async def test_many_are_published_together_and_only_what_failed_again() -> None:
    commands = [CreateUser(user_id=f"u{n}", name="U", email=f"u{n}@example.com") for n in range(3)]
    publisher = ScriptedPublisher([None, PublishFailure.UNCONFIRMED, None])
    ids = await client_of(publisher).send_many(commands)
    first, second = publisher.published
    assert [envelope.message_id for envelope in first] == [str(id_) for id_ in ids]
    assert [envelope.message_id for envelope in second] == [str(ids[1])]


async def test_the_outcome_comes_back_as_a_value() -> None:
    client = client_of(caller=ScriptedCaller(ACCEPTED, REJECTED))
    assert await client.send_and_wait(CREATE) == Accepted.model_validate(ACCEPTED)
    assert await client.send_and_wait(CREATE) == Rejected.model_validate(REJECTED)


@pytest.mark.parametrize("lost", [RpcConnectionLostError("gone"), RpcTimeoutError("late")])
async def test_a_lost_outcome_is_asked_for_again_with_the_same_id(lost: Exception) -> None:
    caller = ScriptedCaller(lost, ACCEPTED)
    outcome = await client_of(caller=caller).send_and_wait(CREATE, command_id=COMMAND_ID)
    assert outcome.status == "accepted"
    assert [request.message_id for request in caller.requests] == [str(COMMAND_ID)] * 2
    assert caller.requests[0].body == caller.requests[1].body


async def test_each_silence_is_given_twice_the_patience() -> None:
    caller = ScriptedCaller(RpcTimeoutError(), RpcTimeoutError(), ACCEPTED)
    await client_of(caller=caller, resend_after=1.0).send_and_wait(CREATE, timeout=10)
    assert caller.timeouts == [1.0, 2.0, 4.0]


async def test_no_outcome_in_time_is_an_error_that_names_the_command() -> None:
    caller = ScriptedCaller(*[RpcConnectionLostError()] * 20)
    with pytest.raises(OutcomeTimeoutError, match=str(COMMAND_ID)) as raised:
        await client_of(caller=caller).send_and_wait(CREATE, command_id=COMMAND_ID, timeout=0.2)
    assert raised.value.command_id == COMMAND_ID


async def test_a_command_is_not_sent_again_once_it_would_have_expired() -> None:
    caller = ScriptedCaller(*[RpcConnectionLostError()] * 20)
    with pytest.raises(OutcomeTimeoutError):
        await client_of(caller=caller).send_and_wait(CREATE, expiration=0.15, timeout=5)
    lifetimes = [request.expiration_ms for request in caller.requests]
    assert lifetimes[0] == 150
    assert all(lifetime is not None and lifetime < 150 for lifetime in lifetimes[1:])


async def test_a_command_that_nobody_takes_is_not_waited_for() -> None:
    with pytest.raises(CommandsNotSentError):
        await client_of(caller=ScriptedCaller(RpcUnroutableError())).send_and_wait(CREATE)


async def test_an_answer_holds_the_view_of_its_query() -> None:
    caller = ScriptedCaller(FOUND)
    answer = await client_of(caller=caller).ask(GetUserById(user_id="alice"), max_wait=2.5)
    assert isinstance(answer, Answered)
    assert (answer.data.name, answer.data.version, answer.as_of.version) == ("Alice", 1, 1)
    (request,) = caller.requests
    assert (request.exchange, request.routing_key, request.type) == ("queries", "query", "GetUserById")
    assert json.loads(request.body) == {"user_id": "alice"}
    assert request.headers == {"max-wait-ms": 2500}


async def test_an_error_answer_is_a_value() -> None:
    answer = await client_of(caller=ScriptedCaller(NOT_FOUND)).ask(GetUserById(user_id="bob"))
    assert isinstance(answer, Failed)
    assert answer.error.code == "user_not_found"


async def test_a_query_is_asked_again_when_the_connection_was_lost() -> None:
    caller = ScriptedCaller(RpcConnectionLostError(), FOUND)
    assert isinstance(await client_of(caller=caller).ask(GetUserById(user_id="alice")), Answered)


async def test_no_answer_in_time_is_an_error() -> None:
    with pytest.raises(AnswerTimeoutError, match="GetUserById within 5 s"):
        await client_of(caller=ScriptedCaller(RpcTimeoutError())).ask(GetUserById(user_id="alice"))


async def test_a_query_that_nobody_takes_is_an_error() -> None:
    with pytest.raises(QueryNotSentError):
        await client_of(caller=ScriptedCaller(RpcUnroutableError())).ask(GetUserById(user_id="alice"))


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "perhaps"},
        {"status": "ok", "data": {"user_id": 7}, "as_of": {}},
        {"status": "ok", "command_id": "an outcome"},
    ],
)
async def test_an_answer_against_the_contract_is_an_error(reply: dict[str, Any]) -> None:
    with pytest.raises(NotTheContractError):
        await client_of(caller=ScriptedCaller(reply)).ask(GetUserById(user_id="alice"))


async def test_what_was_written_is_asked_for_until_it_was_shown() -> None:
    caller = ScriptedCaller(ACCEPTED, STALE, FOUND, FOUND, EMPTY_PAGE)
    client = client_of(caller=caller)
    await client.send_and_wait(CREATE)
    for _ in range(3):
        await client.ask(GetUserById(user_id="alice"))
    await client.ask(GetAllUsers())
    tokens = [request.headers.get("consistency-token") for request in caller.requests[1:]]
    assert tokens == ["user/alice@1", "user/alice@1", None, "user/alice@1"]


async def test_a_token_of_somebody_else_is_sent_along() -> None:
    caller = ScriptedCaller(ACCEPTED, FOUND)
    client = client_of(caller=caller)
    await client.send_and_wait(CREATE)
    await client.ask(GetUserById(user_id="alice"), consistency_token="user/bob@7")
    assert caller.requests[1].headers["consistency-token"] == "user/bob@7,user/alice@1"


async def test_carrying_tokens_can_be_switched_off() -> None:
    caller = ScriptedCaller(ACCEPTED, FOUND)
    client = client_of(caller=caller, read_your_writes=False)
    await client.send_and_wait(CREATE)
    await client.ask(GetUserById(user_id="alice"))
    assert "consistency-token" not in caller.requests[1].headers
