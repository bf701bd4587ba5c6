"""Ordinary `GetUserById`s answered together: the same bytes as one at a time, and what is not theirs is left."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.query.answering import Answering
from services.query.freshness.freshness import Freshness
from services.query.freshness.recency import Recency
from services.query.freshness.version_watch import VersionWatch
from services.query.generation_guard import GenerationGuard
from services.query.metrics import QueryMetrics
from services.query.mongo.document_loader import DocumentLoader
from services.query.query_bus import QueryBus
from services.query.read_model import Document
from services.query.read_models.users.get_user_by_id import GetUserByIdHandler
from services.query.read_models.users.get_users_by_id import GetUsersById
from shared.contracts.queries import GetUserById
from shared.messaging.envelope import Delivery
from tests.unit.query.fake_generations import FakeGenerations
from tests.unit.query.given_events import NOON, delivery
from tests.unit.query.test_answering import Followed

ALICE: Document = {
    "_id": "alice",
    "version": 3,
    "name": "Alice “Al” Liddell",
    "email": "alice@example.com",
    "status": "active",
    "created_at": NOON,
    "updated_at": datetime(2026, 11, 22, 13, 0, 0, 123000, tzinfo=UTC),
}
ERASED: Document = {"_id": "bob", "version": 4}


class Users:
    """Stands for DocumentLoader; counts its reads."""

    def __init__(self) -> None:
        self.documents = {document["_id"]: document for document in (ALICE, ERASED)}
        self.reads: list[list[str]] = []

    async def load(self, key: str) -> Document | None:
        return self.documents.get(key)

    async def load_all(self, keys: Sequence[str]) -> Mapping[str, Document]:
        self.reads.append(sorted(keys))
        return {key: self.documents[key] for key in keys if key in self.documents}


class Known:
    """Stands for Recency."""

    def __init__(self, complete_until: datetime | None) -> None:
        self.known = complete_until
        self.holds_back = False

    async def complete_until(self, _aggregate_id: str | None = None) -> datetime | None:
        return self.known


class Scene:
    def __init__(self, complete_until: datetime | None = NOON) -> None:
        self.users, self.recency, self.generations = Users(), Known(complete_until), FakeGenerations()
        self.registry = CollectorRegistry()
        metrics, guard = QueryMetrics(self.registry), GenerationGuard(self.generations)
        users, recency = cast(DocumentLoader, self.users), cast(Recency, self.recency)
        freshness = Freshness("user", VersionWatch(self._versions), _nothing_is_parked)
        self.together = GetUsersById(users, freshness, recency, guard, metrics)
        bus = QueryBus()
        handler = GetUserByIdHandler(users, freshness)
        bus.register(GetUserById, handler, recency, about=lambda query: query.user_id)
        self.alone = Answering(bus, QueryMetrics(), Followed(), guard)

    async def _versions(self, keys: Iterable[str]) -> Mapping[str, int]:
        return {key: self.users.documents[key]["version"] for key in keys if key in self.users.documents}


async def _nothing_is_parked(_keys: Iterable[str]) -> Mapping[str, str]:
    return {}


def asking(user_id: Any, **properties: Any) -> Delivery:
    return delivery({"user_id": user_id}, type="GetUserById", **properties)


@pytest.mark.parametrize("complete_until", [NOON, None])
@pytest.mark.parametrize("user_id", ["alice", "bob", "nobody"])
async def test_an_answer_is_the_same_as_alone(user_id: str, complete_until: datetime | None) -> None:
    scene = Scene(complete_until)

    assert await scene.together.answer([asking(user_id)]) == [await scene.alone(asking(user_id))]


async def test_questions_of_one_moment_share_a_read() -> None:
    scene = Scene()

    replies = await scene.together.answer([asking("alice"), asking("nobody"), asking("alice")])

    assert scene.users.reads == [["alice", "nobody"]]
    statuses = [json.loads(reply.body)["status"] for reply in replies if reply is not None]
    assert statuses == ["ok", "error", "ok"]
    await asyncio.sleep(0)
    counted = {
        status: scene.registry.get_sample_value("queries_total", {"type": "GetUserById", "status": status})
        for status in ("ok", "user_not_found")
    }
    assert counted == {"ok": 2, "user_not_found": 1}


@pytest.mark.parametrize("user_id", ["", "a b", 7, {"$gt": ""}, None])
async def test_a_malformed_question_is_left_and_harms_no_other(user_id: Any) -> None:
    scene = Scene()

    malformed, good = await scene.together.answer([asking(user_id), asking("alice")])

    assert malformed is None
    assert good is not None
    assert scene.users.reads == [["alice"]]


@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"max-staleness-ms": 100}},
        {"headers": {"subscribe": True}},
        {"content_encoding": "gzip"},
    ],
)
def test_a_question_that_asks_for_more_is_left(properties: Mapping[str, Any]) -> None:
    assert not Scene().together.takes(asking("alice", **properties))


@pytest.mark.parametrize(
    "token", ["user/alice@3", "user/alice@1", "order/7@9", "user/alice@2,order/7@9", "user/alice@2,user/alice@3"]
)
async def test_who_knows_of_nothing_newer_is_answered_with_the_others(token: str) -> None:
    scene = Scene()
    asked = asking("alice", headers={"consistency-token": token, "max-wait-ms": 50})

    assert scene.together.takes(asked)
    assert await scene.together.answer([asked]) == [await scene.alone(asked)]


@pytest.mark.parametrize(
    "headers",
    [
        {"consistency-token": "user/alice@4"},
        {"consistency-token": "user/alice@3,user/bob@9"},
        {"consistency-token": "nonsense"},
        {"consistency-token": 7},
        {"max-wait-ms": "soon"},
    ],
)
async def test_who_knows_of_something_newer_or_asks_for_nonsense_is_left_and_harms_no_other(
    headers: Mapping[str, Any],
) -> None:
    left, good = await Scene().together.answer([asking("alice", headers=headers), asking("alice")])

    assert left is None
    assert good is not None


def test_other_questions_and_large_ones_are_left() -> None:
    scene = Scene()

    assert not scene.together.takes(delivery({"email": "a@example.com"}, type="GetUserByEmail"))
    assert not scene.together.takes(asking("a" * 300))
    assert scene.together.takes(asking("alice", headers={"traceparent": "00-1-2-01"}))


def test_while_an_aggregate_is_parked_each_is_asked_for_alone() -> None:
    scene = Scene()
    scene.recency.holds_back = True

    assert not scene.together.takes(asking("alice"))


async def test_what_a_generation_says_that_has_had_its_day_is_read_again() -> None:
    scene = Scene()
    read = scene.users.load_all

    async def switched_meanwhile(keys: Sequence[str]) -> Mapping[str, Document]:
        found = await read(keys)
        if len(scene.users.reads) == 1:
            scene.generations.catalogue["users"] = 2
            scene.generations.is_fresh = False
        return found

    scene.users.load_all = switched_meanwhile  # type: ignore[method-assign]
    await scene.together.answer([asking("alice")])

    assert len(scene.users.reads) == 2
