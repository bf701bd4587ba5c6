import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError

from services.query.answering import Answering
from services.query.freshness.demand import ANY_STATE, Demand
from services.query.generation_guard import GenerationGuard
from services.query.metrics import QueryMetrics
from services.query.query_bus import QueryBus
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.queries import GetAllUsers, GetUserByEmail, GetUserById
from shared.messaging.envelope import Delivery
from tests.unit.query.fake_generations import FakeGenerations
from tests.unit.query.given_events import NOON, delivery


class Asked:
    """A handler that keeps what it was asked."""

    def __init__(self) -> None:
        self.demand: Demand | None = None
        self.error: Exception | None = None
        self.seconds = 0.0
        self.times = 0

    async def __call__(self, query: Any, demand: Demand) -> Answered | Failed:
        self.demand = demand
        self.times += 1
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return Answered(data={"at": NOON, "asked": query.type}, as_of=AsOf(version=1, time=NOON))


class Followed:
    """Takes every live query."""

    async def subscribe(self, request: Delivery, data: Mapping[str, Any], demand: Demand) -> None:
        assert (request.type, dict(data), demand) == ("GetUserById", {"user_id": "alice"}, ANY_STATE)


@pytest.fixture
def handler() -> Asked:
    return Asked()


@pytest.fixture
def answering(handler: Asked) -> Answering:
    bus = QueryBus()
    for contract in (GetUserById, GetUserByEmail, GetAllUsers):
        bus.register(contract, handler)
    return Answering(bus, QueryMetrics(), Followed(), GenerationGuard(FakeGenerations()))


async def ask(answering: Answering, query: str | None, body: Any, **properties: Any) -> dict[str, Any]:
    reply = await answering(delivery(body, type=query, **properties))
    assert reply is not None
    assert reply.type == "QueryAnswer"
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


async def test_an_answer_carries_its_data_and_how_fresh_it_is(answering: Answering) -> None:
    assert await ask(answering, "GetUserById", {"user_id": "alice"}) == {
        "status": "ok",
        "data": {"at": "2026-11-22T12:00:00Z", "asked": "GetUserById"},
        "as_of": {"version": 1, "time": "2026-11-22T12:00:00Z", "complete_until": None},
    }


@pytest.mark.parametrize("header", [True, "true"])
async def test_a_query_that_wants_updates_is_answered_by_who_follows_it(answering: Answering, header: Any) -> None:
    request = delivery({"user_id": "alice"}, type="GetUserById", headers={"subscribe": header})

    assert await answering(request) is None


async def test_a_query_that_wants_no_updates_is_answered_once(answering: Answering) -> None:
    answer = await ask(answering, "GetUserById", {"user_id": "alice"}, headers={"subscribe": False})

    assert answer["status"] == "ok"


@pytest.mark.parametrize("header", ["yes", 1, "", ["true"]])
async def test_a_wish_for_updates_that_is_none_is_refused(answering: Answering, header: Any) -> None:
    answer = await ask(answering, "GetUserById", {"user_id": "alice"}, headers={"subscribe": header})

    assert answer["error"]["code"] == "invalid_message"
    assert answer["error"]["message"].startswith("subscribe: ")


@pytest.mark.parametrize("query", [None, "", "GetEverything", "getuserbyid"])
async def test_an_unknown_question_is_told_which_there_are(answering: Answering, query: str | None) -> None:
    error = (await ask(answering, query, {}))["error"]

    assert (error["code"], error["retryable"]) == ("unknown_type", False)
    assert error["message"] == "no such query; there are GetAllUsers, GetUserByEmail, GetUserById"


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ("GetUserById", {}, "user_id: Field required"),
        ("GetUserById", {"user_id": "alice", "as": "admin"}, "as: Extra inputs are not permitted"),
        ("GetUserById", {"user_id": {"$gt": ""}}, "user_id: Input should be a valid string"),
        ("GetUserByEmail", {"email": {"$where": "1"}}, "email: Input should be a valid string"),
        ("GetAllUsers", {"status": {"$ne": None}}, "status: Input should be 'active' or 'deactivated'"),
        ("GetAllUsers", {"cursor": {"$gt": ""}}, "cursor: Input should be a valid string"),
        ("GetAllUsers", {"limit": 10**9}, "limit: Input should be less than or equal to 500"),
        ("GetAllUsers", {"limit": True}, "limit: Input should be a valid integer"),
        ("GetAllUsers", b"", "body is empty"),
        ("GetAllUsers", b"[]", "body is not a JSON object"),
        ("GetAllUsers", b"{" * 100_000, "body of 100000 bytes is over the limit of 65536"),
        ("GetUserByEmail", {"email": "a\x00@example.com"}, "a string holds a NUL"),
        ("GetUserByEmail", {"email": "\ud800@example.com"}, "a string holds a lone surrogate"),
    ],
)
async def test_a_malformed_question_is_told_what_is_wrong(
    answering: Answering, handler: Asked, query: str, body: Any, message: str
) -> None:
    error = (await ask(answering, query, body))["error"]

    assert (error["code"], error["retryable"]) == ("invalid_message", False)
    assert message in error["message"]
    assert handler.demand is None


async def test_a_faulty_header_is_named(answering: Answering) -> None:
    error = (await ask(answering, "GetUserById", {"user_id": "a"}, headers={"consistency-token": "alice"}))["error"]

    assert error["code"] == "invalid_message"
    assert error["message"].startswith("consistency-token: ")


async def test_compressed_bodies_are_not_opened(answering: Answering) -> None:
    error = (await ask(answering, "GetUserById", {"user_id": "a"}, content_encoding="gzip"))["error"]

    assert error["message"] == "content_encoding: must not be set"


@pytest.mark.parametrize(
    ("failure", "message", "retryable"),
    [
        (ServerSelectionTimeoutError("mongo.internal:27017"), "the question could not be answered now", True),
        (KeyError("secret"), "the question could not be answered", False),
    ],
)
async def test_a_failure_of_ours_gives_nothing_away(
    answering: Answering, handler: Asked, failure: Exception, message: str, retryable: bool
) -> None:
    handler.error = failure

    assert (await ask(answering, "GetUserById", {"user_id": "alice"}))["error"] == {
        "code": "internal",
        "message": message,
        "retryable": retryable,
    }


async def test_a_question_is_asked_again_while_mongodb_is_away_and_its_asker_waits(
    answering: Answering, handler: Asked
) -> None:
    handler.error = AutoReconnect("not primary")
    asyncio.get_running_loop().call_later(0.3, setattr, handler, "error", None)

    answer = await ask(answering, "GetUserById", {"user_id": "a"}, expiration="10000", received_at=time.monotonic())

    assert answer["status"] == "ok"


@pytest.mark.parametrize("away", [AutoReconnect("not primary"), None])
async def test_an_asker_hears_before_his_deadline_that_there_is_no_answer(
    answering: Answering, handler: Asked, away: Exception | None
) -> None:
    """Also when MongoDB is silent: the driver would wait for longer than he does. Asked more than once, and with a loop
    that never sleeps, since a machine that is busy elsewhere may wake anybody too late.
    """
    handler.error = away
    handler.seconds = 0.0 if away else 60.0
    awake = asyncio.create_task(_stay_awake())
    early: list[bool] = []
    while not any(early) and len(early) < 5:
        deadline = time.monotonic() + 0.5
        answer = await ask(answering, "GetUserById", {"user_id": "a"}, expiration="500", received_at=deadline - 0.5)
        early.append(time.monotonic() < deadline)
        assert (answer["error"]["code"], answer["error"]["retryable"]) == ("internal", True)
    awake.cancel()

    assert any(early)


async def _stay_awake() -> None:
    while True:
        await asyncio.sleep(0)


async def test_a_bug_is_met_once(answering: Answering, handler: Asked) -> None:
    handler.error = KeyError("secret")

    await ask(answering, "GetUserById", {"user_id": "a"}, expiration="10000", received_at=time.monotonic())

    assert handler.times == 1


async def test_a_wait_ends_before_the_deadline_of_the_question(answering: Answering, handler: Asked) -> None:
    headers = {"consistency-token": "user/alice@3", "max-wait-ms": 5000}
    now = time.monotonic()

    await ask(answering, "GetUserById", {"user_id": "a"}, headers=headers, expiration="800", received_at=now)

    assert handler.demand is not None
    assert 0.5 < handler.demand.max_wait <= 0.75


@pytest.mark.parametrize(("does", "times"), [(False, 2), (True, 1)])
async def test_what_does_something_is_not_done_again_when_a_generation_has_had_its_day(does: bool, times: int) -> None:
    """A subscription that is cancelled twice would be called unknown."""
    generations, handler, bus = FakeGenerations(), Asked(), QueryBus()

    async def answer(query: GetUserById, demand: Demand) -> Answered | Failed:
        switch(generations)
        return await handler(query, demand)

    bus.register(GetUserById, answer, does=does)
    answering = Answering(bus, QueryMetrics(), Followed(), GenerationGuard(generations))

    assert (await ask(answering, "GetUserById", {"user_id": "alice"}))["status"] == "ok"
    assert handler.times == times


async def test_what_was_waited_for_in_a_generation_that_has_had_its_day_is_not_waited_for_again() -> None:
    generations, handler, bus = FakeGenerations(), Asked(), QueryBus()
    headers = {"consistency-token": "user/alice@3", "max-wait-ms": 5000}
    handler.seconds = 0.1

    async def answer(query: GetUserById, demand: Demand) -> Answered | Failed:
        switch(generations)
        return await handler(query, demand)

    bus.register(GetUserById, answer)
    answering = Answering(bus, QueryMetrics(), Followed(), GenerationGuard(generations))
    await ask(answering, "GetUserById", {"user_id": "alice"}, headers=headers)

    assert handler.times == 2
    assert handler.demand is not None
    assert handler.demand.max_wait <= 4.9


def switch(generations: FakeGenerations) -> None:
    """To the second generation, unnoticed so far."""
    if generations.catalogue["users"] == 1:
        generations.catalogue["users"], generations.is_fresh = 2, False
