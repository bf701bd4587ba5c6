import json
from collections.abc import Callable
from typing import Any

import pytest

from services.query.projector.event_log import EventLogUnavailableError, RpcEventLog
from shared.contracts.answer import Answered, AnswerError, AsOf, Failed
from shared.contracts.queries.read_events import ReadEvents
from shared.contracts.views import EventPage
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.rpc_client import RpcTimeoutError
from tests.unit.query.given_events import created, delivery, renamed

LOG = [created("alice"), renamed("alice", 2, "Al"), created("bob"), renamed("bob", 2, "B"), renamed("bob", 3, "Bo")]


class FakeRpc:
    def __init__(self, answer: Callable[[ReadEvents], Answered | Failed]) -> None:
        self.requests: list[ReadEvents] = []
        self._answer = answer

    async def call(self, request: Envelope, *, timeout: float) -> Delivery:
        assert (request.exchange, request.routing_key, request.type) == ("event-log", "event-log", "ReadEvents")
        query = ReadEvents.model_validate(json.loads(request.body))
        self.requests.append(query)
        return delivery(self._answer(query).model_dump_json().encode(), type="QueryAnswer")


def answer_from_log(query: ReadEvents) -> Answered:
    found = [
        event.envelope
        for cursor in query.aggregates
        for event in LOG
        if event.aggregate_id == cursor.aggregate_id and event.version > cursor.after_version
    ]
    return Answered(data=EventPage(events=found[: query.limit], more=len(found) > query.limit), as_of=AsOf())


async def versions_read(log: RpcEventLog, after: dict[str, int]) -> list[tuple[str, int]]:
    return [(event.aggregate_id, event.version) async for page in log.read("user", after) for event in page]


async def test_several_aggregates_are_read_in_one_request() -> None:
    rpc = FakeRpc(answer_from_log)

    read = await versions_read(RpcEventLog(rpc), {"alice": 1, "bob": 0})

    assert read == [("alice", 2), ("bob", 1), ("bob", 2), ("bob", 3)]
    assert len(rpc.requests) == 1


async def test_pages_follow_each_other_without_holes() -> None:
    rpc = FakeRpc(answer_from_log)

    read = await versions_read(RpcEventLog(rpc, page_size=2), {"alice": 0, "bob": 0})

    assert read == [("alice", 1), ("alice", 2), ("bob", 1), ("bob", 2), ("bob", 3)]
    assert len(rpc.requests) == 3


async def test_more_aggregates_than_one_request_may_name() -> None:
    rpc = FakeRpc(answer_from_log)

    await versions_read(RpcEventLog(rpc), {f"user-{n}": 0 for n in range(1200)})

    assert [len(request.aggregates) for request in rpc.requests] == [500, 500, 200]


async def test_a_failure_of_the_log_is_one_of_the_world() -> None:
    failed = Failed(error=AnswerError(code="internal", message="…", retryable=True))

    with pytest.raises(EventLogUnavailableError, match="answered internal"):
        await versions_read(RpcEventLog(FakeRpc(lambda query: failed)), {"alice": 0})


async def test_no_answer_is_a_failure_of_the_world() -> None:
    def silence(_query: ReadEvents) -> Any:
        raise RpcTimeoutError

    with pytest.raises(EventLogUnavailableError, match="RpcTimeoutError"):
        await versions_read(RpcEventLog(FakeRpc(silence)), {"alice": 0})


async def test_an_answer_that_is_none_is_a_failure_of_the_world() -> None:
    with pytest.raises(EventLogUnavailableError, match="can't be read"):
        await versions_read(RpcEventLog(FakeRpc(lambda query: Answered(data=[1], as_of=AsOf()))), {"alice": 0})
