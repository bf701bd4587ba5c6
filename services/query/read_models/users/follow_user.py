"""`GetUserById`, live: every version of a user, in order and none left out."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ClassVar, TypeAlias

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.follower import Ask, Beginning, Update
from services.query.mongo.collections import CollectionSource
from services.query.projector.event_log import EventLog, EventLogUnavailableError
from services.query.projector.fold import fold, version_of
from services.query.read_model import Document, FoldedModel
from services.query.read_models.users.view import user_answer
from services.query.sealed_cursor import BadCursorError, seal, unseal
from shared.contracts.answer import ErrorCode, Failed
from shared.contracts.consistency_token import ConsistencyToken
from shared.contracts.queries import GetUserById

MOST_MISSED = 1_000
"""Versions that a resumed subscription is brought, at most; who has missed more begins anew."""
LARGEST_VERSION = 10**18 - 1
_FORMAT, _KIND = 1, "user"

Load: TypeAlias = Callable[[str], Awaitable[Document | None]]
"""The user's document in the live generation. Raises PyMongoError."""


class UserFollower:
    """The version of the user is the place in the updates: so a token never gets too old, and every process can go on
    from it.

    The projector writes what several events of a batch have made of a user as one change; the versions in between are
    folded from the event log then.

    A version goes back only where `cqrs projection verify --repair` took back one that never happened: then what is
    true is told, and whoever comes back with the token of the other one begins anew.
    """

    pause: ClassVar[float] = 0.0
    patience: ClassVar[None] = None

    def __init__(
        self,
        query: GetUserById,
        ask: Ask,
        *,
        model: FoldedModel,
        source: CollectionSource,
        load: Load,
        log: EventLog,
    ) -> None:
        self.key = query.user_id
        self.source = source
        self._ask = ask
        self._model = model
        self._load = load
        self._log = log
        self._version = 0
        self._document: Document | None = None

    async def begin(self, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        seen = None if resume_token is None else self._read_token(resume_token)
        if seen and not await self._is_taken_back(seen):
            token = ConsistencyToken(self._model.aggregate_type, self.key, seen)
            demand = replace(demand, tokens=(*demand.tokens, token))
        answer = await self._ask(demand)
        if isinstance(answer, Failed) and answer.error.code != ErrorCode.USER_NOT_FOUND:
            return answer
        current = await self._load(self.key)
        missed = await self._missed(seen, current)
        self._stand_at(current)
        shown: Sequence[Document | None] = missed or [current]
        updates = [self._update(document) for document in shown]
        if not isinstance(answer, Failed) and not isinstance(updates[0].answer, Failed):
            as_of = updates[0].answer.as_of.model_copy(update={"complete_until": answer.as_of.complete_until})
            updates[0] = replace(updates[0], answer=updates[0].answer.model_copy(update={"as_of": as_of}))
        return Beginning(updates, resumed=seen is not None and (missed is not None or seen == version_of(current)))

    async def next(self, changes: Sequence[Change]) -> Sequence[Update]:
        before = self._document
        updates: list[Update] = []
        try:
            for change in changes:
                if change.deleted:
                    self._stand_at(None)
                    updates.append(self._update(None))
                elif change.document is not None:
                    updates += await self._up_to(change.document)
        except BaseException:
            self._stand_at(before)  # what was found is told nobody
            raise
        return updates

    async def again(self) -> Sequence[Update]:
        return await self._up_to(await self._load(self.key))

    async def _up_to(self, document: Document | None) -> list[Update]:
        """What is new with this document. What raises on the way leaves everything as it was."""
        version = version_of(document)
        if version < self._version:
            return await self._back_to_truth()
        if document is None or (version == self._version and document == self._document):
            return []
        between: list[Document] = []
        if version > self._version + 1:
            between = await self._fold_log(self._document, self._version, version - 1)
        self._stand_at(document)
        return [self._update(each) for each in (*between, document)]

    async def _back_to_truth(self) -> list[Update]:
        """An older version is old news, unless the one that was told has been taken back."""
        if not await self._is_taken_back(self._version):
            return []
        self._stand_at(await self._load(self.key))
        return [self._update(self._document)]

    async def _is_taken_back(self, version: int) -> bool:
        """Whether it is neither in the read model nor in the event log."""
        if version_of(await self._load(self.key)) >= version:
            return False
        async for page in self._log.read(self._model.aggregate_type, {self.key: version - 1}):
            if page:
                return False
        return True

    async def _missed(self, seen: int | None, current: Document | None) -> list[Document] | None:
        """What came after version `seen`, oldest first; None when that is not to be had (any more), or not asked for.

        It begins with `current` when that is what was seen.
        """
        version = version_of(current)
        if seen is None or current is None or version < seen or version - seen > MOST_MISSED:
            return None
        if version <= seen + 1:
            return [current]
        try:
            between = await self._fold_log(None, 0, version - 1)
        except EventLogUnavailableError:
            return None
        missed = [*(document for document in between if version_of(document) > seen), current]
        return missed if len(missed) == version - seen else None

    async def _fold_log(self, document: Document | None, version: int, last: int) -> list[Document]:
        """The document after each event of the log, from that behind `version` to `last`."""
        if document is None and version:  # known from elsewhere: to fold on, it must be made anew
            return [each for each in await self._fold_log(None, 0, last) if version_of(each) > version]
        documents: list[Document] = []
        async for page in self._log.read(self._model.aggregate_type, {self.key: version}):
            for event in page:
                document = fold(self._model, document, [event]).document
                if document is not None and version < version_of(document) <= last:
                    documents.append(document)
                    version = version_of(document)
            if version >= last:
                break
        return documents

    def _stand_at(self, document: Document | None) -> None:
        self._document, self._version = document, version_of(document)

    def _update(self, document: Document | None) -> Update:
        return Update(user_answer(document), self._token(version_of(document)))

    def _token(self, version: int) -> str:
        return seal([_FORMAT, _KIND, self.key, version])

    def _read_token(self, token: str) -> int:
        form, kind, user_id, version = unseal(token, 4)
        if form != _FORMAT or not isinstance(version, int) or not 0 <= version <= LARGEST_VERSION:
            raise BadCursorError("is of another version")
        if (kind, user_id) != (_KIND, self.key):
            raise BadCursorError("belongs to another query")
        return version
