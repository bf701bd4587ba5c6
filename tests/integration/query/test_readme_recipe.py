"""The README's recipe for a read model of one's own, taken from there word for word, works."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from pymongo import ASCENDING, IndexModel

from deploy.native.layout import ROOT
from services.query.domain_event import DomainEvent
from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import Collections, CollectionSource
from services.query.read_model import Document, FoldedModel
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.base import Query
from shared.contracts.events import UserRenamed
from tests.integration.query.query_scene import Scene, seen
from tests.unit.query.fake_event_log import FakeEventLog
from tests.unit.query.given_events import created, renamed


class GetFickleUsers(Query):
    type: ClassVar[str] = "GetFickleUsers"

    at_least: int


class GetFickleUsersHandler:
    def __init__(self, users: CollectionSource, freshness: Freshness) -> None:
        self._users = users
        self._freshness = freshness

    async def __call__(self, query: GetFickleUsers, demand: Demand) -> Answered | Failed:
        if stale := await self._freshness.wait(demand):
            return stale
        found = self._users().find({"renames": {"$gte": query.at_least}}).sort("_id")
        return Answered(data={"user_ids": [user["_id"] async for user in found]}, as_of=AsOf())


def recipe() -> Sequence[str]:
    """The Python of the README's section on read models: the folder, and its lines in `bootstrap.py`."""
    section = (ROOT / "README.md").read_text().partition("**A read model**")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


async def test_a_read_model_made_by_the_recipe_heals_gaps_drops_duplicates_and_reads_ones_writes(
    collections: Collections,
) -> None:
    folder, lines_of_bootstrap = recipe()
    log = FakeEventLog()
    scene = Scene(collections, log)
    names: dict[str, Any] = {
        "Document": Document,
        "DomainEvent": DomainEvent,
        "FoldedModel": FoldedModel,
        "GetFickleUsers": GetFickleUsers,
        "GetFickleUsersHandler": GetFickleUsersHandler,
        "INDEXES": (IndexModel([("renames", ASCENDING)]),),
        "UserRenamed": UserRenamed,
        "bus": scene.bus,
        "models": scene.models,
    }
    exec(folder + lines_of_bootstrap, names)

    events = [created("alice"), renamed("alice", 2, "Al"), renamed("alice", 3, "Ali"), created("bob")]
    log.events += events
    await scene.project(events[0], events[3])
    await scene.project(events[2], events[2], events[0])
    answer = await scene.ask("GetFickleUsers", seen("user/alice@3"), at_least=2)
    fresh = await scene.ask("GetFickleUsers", Demand(max_staleness=1.0), at_least=0)
    await scene.models.close()

    assert answer["user_ids"] == ["alice"]
    assert fresh["user_ids"] == ["alice", "bob"]
    assert sum(len(block.strip().splitlines()) for block in (folder, lines_of_bootstrap)) <= 10
