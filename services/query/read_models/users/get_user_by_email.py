from datetime import datetime

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import CollectionSource
from services.query.read_model import Document
from services.query.read_models.users.view import is_visible, user_answer
from shared.contracts.answer import Answered, Failed
from shared.contracts.fields import email_key
from shared.contracts.queries import GetUserByEmail

MOST_HOLDERS = 10
"""An address has one holder; more only while the events of a handover are under way."""


class GetUserByEmailHandler:
    def __init__(self, users: CollectionSource, freshness: Freshness) -> None:
        self._users = users
        self._freshness = freshness

    async def __call__(self, query: GetUserByEmail, demand: Demand) -> Answered | Failed:
        document = await self._find(query.email)
        if self._freshness.is_met(demand, document):
            return user_answer(document)
        if stale := await self._freshness.wait(demand):
            return stale
        return user_answer(await self._find(query.email))

    async def _find(self, email: str) -> Document | None:
        """The holder of the address; of two, who changed last: the other one's release of it is still on its way."""
        holders = await self._users().find({"email_key": email_key(email)}, limit=MOST_HOLDERS).to_list()
        return max(filter(is_visible, holders), key=_updated_at, default=None)


def _updated_at(document: Document) -> datetime:
    updated_at: datetime = document["updated_at"]
    return updated_at
