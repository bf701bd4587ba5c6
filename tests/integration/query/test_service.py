import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

from pymongo import AsyncMongoClient

from services.query.bootstrap import PROJECTION_QUEUES, READ_MODELS, Seams
from services.query.projector.projector import OrderedConsumer
from services.query.read_model import Document
from services.query.service import QueryService
from services.query.settings import QuerySettings
from shared.contracts.outcome import Rejected, RejectionError
from shared.messaging.envelope import Envelope, Receipt
from shared.messaging.opening import open_connection
from tests.integration.query.service_scene import World, http_get, running
from tests.unit.query.given_events import command_id, created, deactivated, event, renamed


async def test_events_become_visible_and_questions_are_answered(world: World, settings: QuerySettings) -> None:
    async with running(settings):
        await world.emit([created("alice", email="Alice@Example.com"), renamed("alice", 2, "Alice Liddell")])

        answer = await world.ask("GetUserById", {"consistency-token": "user/alice@2"}, user_id="alice")

        assert answer["as_of"].pop("complete_until", "missing") != "missing"
        assert answer == {
            "status": "ok",
            "data": {
                "user_id": "alice",
                "name": "Alice Liddell",
                "email": "Alice@Example.com",
                "status": "active",
                "created_at": "2026-11-22T12:00:01Z",
                "updated_at": "2026-11-22T12:00:02Z",
                "version": 2,
            },
            "as_of": {"version": 2, "time": "2026-11-22T12:00:02Z"},
        }
        assert (await world.ask("GetAllUsers"))["data"]["items"] == [answer["data"]]
        assert (await world.ask("GetUserByEmail", email="alice@example.com"))["data"] == answer["data"]


async def test_mongodb_keeps_no_record_of_updates_that_the_projector_repeats_itself(
    world: World, settings: QuerySettings, mongo: AsyncMongoClient[Document]
) -> None:
    async with running(settings):
        await world.emit([created("alice"), created("bob")])
        await world.wait_for_users({"alice": 1, "bob": 1})
        await world.emit([renamed("alice", 2, "Alice Liddell"), renamed("bob", 2, "Bob Dodgson")])
        await world.wait_for_users({"alice": 2, "bob": 2})

    users = world.collections.live("users")
    log = mongo["local"]["oplog.rs"].find({"ns": users.full_name, "op": "u"})
    updates = await log.to_list()
    assert len(updates) == 2
    assert not [update for update in updates if "txnNumber" in update]


async def test_what_became_of_commands_is_learnt_from_events_and_outcomes(
    world: World, settings: QuerySettings
) -> None:
    rejected = Rejected(command_id=command_id("bob", 1), error=RejectionError(code="email_taken", message="…"))
    async with running(settings):
        await world.emit([created("alice")])
        await world.publish(
            [
                Envelope(
                    exchange="outcomes",
                    routing_key="user.rejected",
                    type="CommandOutcome",
                    body=rejected.model_dump_json().encode(),
                )
            ]
        )

        wait = {"max-wait-ms": 5000}
        accepted = await world.ask("GetCommandStatus", wait, command_id=str(command_id("alice", 1)))
        refused = await world.ask("GetCommandStatus", wait, command_id=str(command_id("bob", 1)))

    assert (accepted["data"]["status"], accepted["data"]["version"]) == ("accepted", 1)
    assert (refused["data"]["status"], refused["data"]["code"]) == ("rejected", "email_taken")


async def test_losses_are_healed_from_the_log_over_the_broker(world: World, settings: QuerySettings) -> None:
    users = [f"user-{n}" for n in range(50)]
    world.log = [step for user in users for step in (created(user), renamed(user, 2, "X"), deactivated(user, 3))]
    stream = [event for event in world.log if event.version != 2] * 2
    random.Random(5).shuffle(stream)

    async with running(settings):
        await world.emit(stream)
        found = await world.wait_for_users(dict.fromkeys(users, 3))

    assert {(user["name"], user["status"]) for user in found.values()} == {("X", "deactivated")}
    assert 0 < world.pages_read < 20


async def test_two_services_share_the_work_and_end_at_the_fold(world: World, settings: QuerySettings) -> None:
    users = [f"user-{n}" for n in range(100)]
    world.log = [step for user in users for step in (created(user), renamed(user, 2, "X"), deactivated(user, 3))]

    async with running(settings):
        async with running(settings):
            await world.emit(world.log[:150])
            await asyncio.sleep(0.2)
        await world.emit(world.log[150:])
        await world.wait_for_users(dict.fromkeys(users, 3))


async def test_what_can_not_be_read_becomes_a_dead_letter_and_the_others_go_on(
    world: World, settings: QuerySettings
) -> None:
    said: dict[str, Any] = {"type": "UserCreated", "message_id": "m-1", "body": b"not json"}
    poison = [Envelope(exchange=exchange, routing_key="user.X", **said) for exchange in ("events", "outcomes")]
    async with running(settings), AsyncDeadLetters(world.url) as dead_letters:
        await world.emit([created("alice")])
        await world.publish(poison)
        await world.emit([created("bob")])
        await world.wait_for_users({"alice": 1, "bob": 1})
        letters = [await dead_letters.next() for _ in PROJECTION_QUEUES]

    assert {letter.headers["dead-letter-queue"] for letter in letters} == {each.queue for each in PROJECTION_QUEUES}
    for letter in letters:
        assert (letter.body, letter.message_id, letter.type) == (b"not json", "m-1", "UserCreated")
        assert letter.headers["dead-letter-reason"] == "invalid_message"
        assert "JSON" in str(letter.headers["dead-letter-detail"])


async def test_a_parked_aggregate_is_healed_and_goes_on(world: World, settings: QuerySettings) -> None:
    broken = event("UserRenamed", "alice", 2, new_name=7)
    world.log = [created("alice"), broken]
    async with running(settings) as service:
        await world.emit([*world.log, created("bob")])
        await world.wait_for_users({"alice": 1, "bob": 1})
        stale = await world.ask(
            "GetUserById", {"consistency-token": "user/alice@2", "max-wait-ms": 2000}, user_id="alice"
        )
        assert "user/alice is parked (invalid_event)" in stale["error"]["message"]

        world.log = [created("alice"), renamed("alice", 2, "Al"), renamed("alice", 3, "Alice")]
        assert await service.folded["users"].heal("alice") is None
        await world.wait_for_users({"alice": 3, "bob": 1})


async def test_nothing_is_acknowledged_before_it_is_written(world: World, settings: QuerySettings) -> None:
    """A process that dies between the write and the acknowledgement: its successor gets everything again."""
    died = asyncio.Event()

    def dying(consumer: OrderedConsumer) -> OrderedConsumer:
        async def ack(deliveries: Sequence[Receipt]) -> None:
            died.set()

        consumer.ack = ack  # type: ignore[method-assign]
        return consumer

    async with running(settings, Seams(consumer=dying)):
        await world.emit([created("alice"), renamed("alice", 2, "Al")])
        await died.wait()
        await world.wait_for_users({"alice": 2})
    async with running(settings) as successor:
        await world.emit([renamed("alice", 3, "Alice")])
        await world.wait_for_users({"alice": 3})
        await metrics_with(successor, 'projection_events_total{read_model="users",result="duplicate"} 2.0')


async def test_it_is_ready_and_measures_itself(world: World, settings: QuerySettings) -> None:
    async with running(settings) as service:
        await world.emit([created("alice")])
        await world.ask("GetUserById", {"consistency-token": "user/alice@1"}, user_id="alice")
        await world.ask("GetUserById", user_id="nobody")
        await world.ask("Nonsense")
        status, ready = await http_get(service, "/readyz")
        metrics = await metrics_with(service, 'projection_events_total{read_model="users",result="applied"} 1.0')

    assert status == 200, ready
    assert set(json.loads(ready)["checks"]) == {
        "mongodb",
        "publisher",
        "replier",
        "queries",
        "projection control",
        *(f"projection {model.name}" for model in READ_MODELS),
    }
    assert 'projection_events_by_type_total{read_model="users",type="UserCreated"} 1.0' in metrics
    assert 'projection_lag_seconds{read_model="users"}' in metrics
    assert 'queries_total{status="ok",type="GetUserById"} 1.0' in metrics
    assert 'queries_total{status="user_not_found",type="GetUserById"} 1.0' in metrics
    assert 'queries_total{status="unknown_type",type="unknown"} 1.0' in metrics


async def test_a_foreign_reply_address_gets_nothing_and_hurts_nobody(world: World, settings: QuerySettings) -> None:
    async with running(settings) as service:
        await world.publish(
            [
                Envelope(exchange="queries", routing_key="query", type="GetAllUsers", body=b"{}", reply_to=address)
                for address in ("projections.folded", "amq.rabbitmq.reply-to.nonsense", "")
            ]
        )
        assert (await world.ask("GetAllUsers"))["status"] == "ok"
        _, metrics = await http_get(service, "/metrics")
        assert await world.users() == {}

    assert 'messaging_requests_dropped_total{reason="reply_to_refused"} 2.0' in metrics


async def test_work_in_hand_is_finished_when_told_to_stop(world: World, settings: QuerySettings) -> None:
    users = {f"user-{n}": 1 for n in range(2000)}
    await world.emit([created(user) for user in users])

    for _ in range(5):
        async with running(settings):
            await asyncio.sleep(0.05)
    async with running(settings) as service:
        await world.wait_for_users(users)
        _, metrics = await http_get(service, "/metrics")

    assert 'result="duplicate"' not in metrics


async def metrics_with(service: QueryService, line: str) -> str:
    """The metrics, once they hold this line: counting follows writing."""
    metrics = ""
    async with asyncio.timeout(5):
        while line not in metrics:
            metrics = (await http_get(service, "/metrics"))[1]
            await asyncio.sleep(0.02)
    return metrics


class AsyncDeadLetters:
    """Reads the queue `dead-letters`, as the command service does."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> "AsyncDeadLetters":
        self._connection = await open_connection(self._url)
        channel = await self._connection.channel()
        self._queue = await channel.get_queue("dead-letters")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            while (message := await self._queue.get(no_ack=True, fail=False)) is None:
                await asyncio.sleep(0.02)
        return message
