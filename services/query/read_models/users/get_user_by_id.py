from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.document_loader import DocumentLoader
from services.query.read_models.users.view import user_answer
from shared.contracts.answer import Answered, Failed
from shared.contracts.queries import GetUserById


class GetUserByIdHandler:
    """Concurrent questions share one read; one whose document is fresh enough already costs no other."""

    def __init__(self, users: DocumentLoader, freshness: Freshness) -> None:
        self._users = users
        self._freshness = freshness

    async def __call__(self, query: GetUserById, demand: Demand) -> Answered | Failed:
        document = await self._users.load(query.user_id)
        if self._freshness.is_met(demand, document):
            return user_answer(document)
        if stale := await self._freshness.wait(demand):
            return stale
        return user_answer(await self._users.load(query.user_id))
