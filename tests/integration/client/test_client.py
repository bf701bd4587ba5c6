import asyncio
from uuid import uuid4

import pytest
from yarl import URL

from shared.client import CqrsClient
from shared.client_errors import AnswerTimeoutError, NotConnectedError, OutcomeTimeoutError, SubscriptionLostError
from shared.contracts.answer import Answered
from shared.contracts.commands import CreateUser, RenameUser
from shared.contracts.queries import GetUserById
from tests.integration.client.broker_side import close_connections
from tests.integration.client.stand_in import StandIn, accepted, found, rejected, user_created

CREATE = CreateUser(user_id="alice", name="Alice", email="alice@example.com")


async def test_a_command_comes_to_its_outcome(vhost_url: str, stand_in: StandIn) -> None:
    async with CqrsClient.connect(vhost_url) as client:
        assert (await client.send_and_wait(CREATE)).status == "accepted"
        stand_in.on_command = rejected
        outcome = await client.send_and_wait(CREATE, expected_version=3)
    assert outcome.status == "rejected"
    assert outcome.error.code == "email_taken"
    first, second = stand_in.received
    assert (first.type, first.routing_key, first.delivery_mode) == ("CreateUser", "alice", 2)
    assert second.headers["expected-version"] == 3


async def test_many_commands_are_sent_at_once_in_order(vhost_url: str, stand_in: StandIn) -> None:
    commands = [RenameUser(user_id="alice", name=f"Alice {number}") for number in range(1200)]
    async with CqrsClient.connect(vhost_url) as client:
        ids = await client.send_many(commands)
    await stand_in.until_received(1200)
    assert [message.message_id for message in stand_in.received] == [str(id_) for id_ in ids]
    assert all(message.reply_to is None for message in stand_in.received)


async def test_many_wait_for_their_outcomes_side_by_side(vhost_url: str, stand_in: StandIn) -> None:
    commands = [CreateUser(user_id=f"u{n}", name="U", email=f"u{n}@example.com") for n in range(200)]
    async with CqrsClient.connect(vhost_url) as client:
        outcomes = await asyncio.gather(*map(client.send_and_wait, commands))
    got = [outcome.aggregate_id for outcome in outcomes if outcome.status == "accepted"]
    assert got == [command.user_id for command in commands]
    assert len(stand_in.received) == 200


async def test_no_outcome_in_time_is_an_error(vhost_url: str, stand_in: StandIn) -> None:
    stand_in.on_command = lambda _message: None
    async with CqrsClient.connect(vhost_url) as client:
        with pytest.raises(OutcomeTimeoutError):
            await client.send_and_wait(CREATE, timeout=0.2)


async def test_a_connection_lost_while_waiting_is_made_again_and_the_command_repeated(
    vhost_url: str, rabbitmq_api_url: str, stand_in: StandIn
) -> None:
    stand_in.on_command = lambda message: accepted(message) if len(stand_in.received) > 1 else None
    name = f"client {uuid4()}"
    async with CqrsClient.connect(vhost_url, name=name) as client:
        waiting = asyncio.create_task(client.send_and_wait(CREATE, timeout=60))
        await stand_in.until_received(1)
        await close_connections(rabbitmq_api_url, URL(vhost_url).path[1:], name)
        outcome = await waiting
    first, second = stand_in.received
    assert first.message_id == second.message_id == str(outcome.command_id)
    assert first.reply_to != second.reply_to


async def test_an_answer_shows_what_was_written(vhost_url: str, stand_in: StandIn) -> None:
    stand_in.on_query = found
    async with CqrsClient.connect(vhost_url) as client:
        await client.send_and_wait(CREATE)
        answer = await client.ask(GetUserById(user_id="alice"), timeout=3, max_wait=2)
    assert isinstance(answer, Answered)
    assert answer.data.user_id == "alice"
    question = stand_in.received[1]
    assert question.headers["consistency-token"] == "user/alice@1"
    assert question.headers["max-wait-ms"] == 2000
    assert question.expiration is not None
    assert 0 < float(str(question.expiration)) <= 3


async def test_no_answer_in_time_is_an_error(vhost_url: str, stand_in: StandIn) -> None:
    async with CqrsClient.connect(vhost_url) as client:
        with pytest.raises(AnswerTimeoutError):
            await client.ask(GetUserById(user_id="alice"), timeout=0.2)
    assert len(stand_in.received) == 1


@pytest.mark.parametrize("url", ["amqp://u:s3cret@127.0.0.1:1/cqrs", "wrong password"])
async def test_no_connection_is_an_error_without_a_password(vhost_url: str, url: str) -> None:
    if url == "wrong password":
        url = str(URL(vhost_url).with_password("s3cret"))
    with pytest.raises(NotConnectedError) as refused:
        async with CqrsClient.connect(url, connect_timeout=1.0):
            pass
    assert "s3cret" not in str(refused.value)


async def test_a_subscriber_gets_the_events_of_its_keys(vhost_url: str, stand_in: StandIn) -> None:
    async with (
        CqrsClient.connect(vhost_url) as client,
        client.events("user.UserCreated") as events,
        client.events("user.UserRenamed") as others,
    ):
        await stand_in.publish_event(user_created("alice"))
        async with asyncio.timeout(5):
            event = await anext(events)
        assert (event.type, event.subject, event.position) == ("UserCreated", "user/alice", 42)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(others), 0.2)


async def test_a_subscription_that_is_lost_says_so(vhost_url: str, rabbitmq_api_url: str) -> None:
    name = f"client {uuid4()}"
    async with CqrsClient.connect(vhost_url, name=name) as client, client.events() as events:
        await close_connections(rabbitmq_api_url, URL(vhost_url).path[1:], f"{name}: events")
        with pytest.raises(SubscriptionLostError):
            await anext(events)
