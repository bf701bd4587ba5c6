import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.query.domain_event import DomainEvent
from services.query.projector.event_log import EventLogUnavailableError
from services.query.projector.log_reader import RpcLogReader
from shared.contracts.answer import AnswerError, Failed
from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.rpc_client import RpcTimeoutError
from tests.unit.query.given_events import created, delivery, renamed

ALICE = [created("alice"), *(renamed("alice", version, "A") for version in range(2, 6))]


@dataclass
class FakeRpc:
    """Answers with `answer(type, body)`; `asked` holds the bodies, in order."""

    answer: Callable[[str, dict[str, Any]], Any]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, request: Envelope, *, timeout: float) -> Delivery:
        body = json.loads(request.body)
        self.asked.append(body)
        await asyncio.sleep(0)
        answer = self.answer(request.type, body)
        return delivery(answer if isinstance(answer, dict) else answer.model_dump_json().encode())


def page(events: list[DomainEvent], **more: Any) -> dict[str, Any]:
    return {
        "status": "ok",
        "as_of": {},
        "data": {"events": [json.loads(each.envelope.model_dump_json()) for each in events], **more},
    }


def by_position(_type: str, body: dict[str, Any]) -> dict[str, Any]:
    """A log of five events, at the positions 1001 to 1005; settled up to 1007."""
    rest = [event for event in ALICE if event.envelope.position > body["after"]]
    found = rest[: body["limit"]]
    more = len(found) < len(rest)
    return page(found, position=found[-1].envelope.position if more else 1007, more=more)


def by_aggregate(_type: str, body: dict[str, Any]) -> dict[str, Any]:
    rest = [event for event in ALICE if (event.aggregate_id, event.version) > (body["after_id"], body["after_version"])]
    return page(rest[: body["limit"]], more=len(rest) > body["limit"])


async def test_the_log_is_read_to_its_settled_end() -> None:
    rpc = FakeRpc(by_position)
    async with aclosing(RpcLogReader(rpc, page_size=2).after(0)) as pages:
        read = [([event.version for event in page.events], page.position) async for page in pages]

    assert read == [([1, 2], 1002), ([3, 4], 1004), ([5], 1007)]
    assert [body["after"] for body in rpc.asked] == [0, 1002, 1004]


async def test_histories_go_on_in_the_middle_of_an_aggregate() -> None:
    rpc = FakeRpc(by_aggregate)
    async with aclosing(RpcLogReader(rpc, page_size=2).histories("user")) as pages:
        read = [([event.version for event in page.events], page.more) async for page in pages]

    assert read == [([1, 2], True), ([3, 4], True), ([5], False)]
    assert [(body["after_id"], body["after_version"]) for body in rpc.asked[1:]] == [("alice", 2), ("alice", 4)]


async def test_the_next_page_is_on_its_way_while_one_is_worked_on() -> None:
    rpc = FakeRpc(by_position)
    async with aclosing(RpcLogReader(rpc, page_size=2).after(0)) as pages:
        await anext(pages)
        await asyncio.sleep(0.01)
        assert len(rpc.asked) == 2


async def test_who_stops_reading_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with aclosing(RpcLogReader(FakeRpc(by_position), page_size=2).after(0)) as pages:
        await anext(pages)

    assert asyncio.all_tasks() == before


def fails(_type: str, _body: dict[str, Any]) -> Any:
    return Failed(error=AnswerError(code="internal", message="…"))


def is_silent(_type: str, _body: dict[str, Any]) -> Any:
    raise RpcTimeoutError("no answer")


def talks_nonsense(_type: str, _body: dict[str, Any]) -> Any:
    return {"status": "ok", "data": [1], "as_of": {}}


@pytest.mark.parametrize(
    ("answer", "why"), [(fails, "answered internal"), (is_silent, "no answer"), (talks_nonsense, "can't be read")]
)
async def test_no_page_means_that_the_log_is_away(answer: Callable[..., Any], why: str) -> None:
    with pytest.raises(EventLogUnavailableError, match=why):
        await RpcLogReader(FakeRpc(answer)).head([0])
