"""`GetAllUsers`, live: every change of the users that its filter lets through, on whatever page they are."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeAlias

from bson import Timestamp

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.change_feed import HistoryLostError
from services.query.live.follower import Ask, Beginning, Update
from services.query.mongo.collections import CollectionSource
from services.query.read_models.users.view import is_visible, user_view
from services.query.sealed_cursor import BadCursorError, seal, unseal
from shared.contracts.answer import Answered, AsOf, Failed
from shared.contracts.queries import GetAllUsers
from shared.contracts.queries.paging import MAX_PAGE

MOST_MISSED = 10_000
"""Changes that a resumed subscription is brought, at most; who has missed more begins anew."""
MOST_OUTSIDE = 10_000
"""Users of whom it is remembered that they are not let through, so that this is not said again and again."""
LARGEST_TIME = 2**32 - 1
_FORMAT, _KIND = 1, "users"

Now: TypeAlias = Callable[[], Awaitable[Timestamp]]
"""MongoDB's time."""
Since: TypeAlias = Callable[[Timestamp, str, int], Awaitable[Sequence[Change]]]
"""The changes of a collection after that moment, at most so many. Raises HistoryLostError."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A moment in the changes of one generation."""

    collection: str
    moment: Timestamp


class UsersFollower:
    """MongoDB's time is the place in the updates: who comes back with a token gets what its oplog still has, and begins
    anew when the read model has another generation by then.
    """

    pause: ClassVar[float] = 0.0
    key: ClassVar[None] = None

    def __init__(self, query: GetAllUsers, ask: Ask, *, source: CollectionSource, now: Now, since: Since) -> None:
        self.source = source
        self._query = query
        self._ask = ask
        self._now = now
        self._since = since
        self._shown: dict[str, int] = {}
        """The versions on the first page: changes that led to them, up to when it was read, are no news."""
        self._read_by = Timestamp(0, 0)
        self._outside: OrderedDict[str, None] = OrderedDict()

    async def begin(self, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        seen = None if resume_token is None else self._read_token(resume_token)
        moment, answer = await self._page(demand)
        if isinstance(answer, Failed):
            return answer
        first = Update(answer, self._token(moment))
        collection = self.source().name
        if seen is None or seen.collection != collection:
            return Beginning([first])
        try:
            missed = await self._since(seen.moment, collection, MOST_MISSED)
        except HistoryLostError:
            return Beginning([first])
        if self.source().name != collection:
            return Beginning([first])
        return Beginning([first, *self._told(missed)], resumed=True)

    async def next(self, changes: Sequence[Change]) -> Sequence[Update]:
        return self._told(changes)

    async def again(self) -> Sequence[Update]:
        moment, page = await self._page(Demand())
        if isinstance(page, Failed):
            return [Update(page, self._token(moment))]
        self._outside.clear()
        anew = Answered(data={"changes": [], "page": page.data}, as_of=page.as_of)
        return [Update(anew, self._token(moment))]

    async def _page(self, demand: Demand) -> tuple[Timestamp, Answered | Failed]:
        """The first page, and when it was not yet read: from then on changes are told, too."""
        moment = await self._now()
        page = await self._ask(demand)
        if isinstance(page, Answered):
            self._read_by = await self._now()
            self._shown = {item["user_id"]: item["version"] for item in page.data["items"]}
        return moment, page

    def _told(self, changes: Sequence[Change]) -> list[Update]:
        updates: list[Update] = []
        for start in range(0, len(changes), MAX_PAGE):
            some = changes[start : start + MAX_PAGE]
            told = [told for change in some if (told := self._one(change)) is not None]
            if told:
                time = max(filter(None, map(_time_of, some)), default=None)
                answer = Answered(data={"changes": told, "page": None}, as_of=AsOf(time=time))
                updates.append(Update(answer, self._token(some[-1].moment)))
        return updates

    def _one(self, change: Change) -> dict[str, object] | None:
        document = change.document
        if document is None and not change.deleted:
            return None
        is_shown = document is not None and document["version"] <= self._shown.get(change.key, 0)
        if is_shown and change.moment <= self._read_by:
            return None
        self._shown.pop(change.key, None)
        if document is not None and is_visible(document) and self._query.status in (None, document["status"]):
            self._outside.pop(change.key, None)
            return {"user_id": change.key, "user": user_view(document)}
        if change.key in self._outside or (document is not None and document["version"] == 1 and not is_shown):
            return None
        self._outside[change.key] = None
        if len(self._outside) > MOST_OUTSIDE:
            self._outside.popitem(last=False)
        return {"user_id": change.key, "user": None}

    def _token(self, moment: Timestamp) -> str:
        return seal([_FORMAT, _KIND, self._query.status, self.source().name, moment.time, moment.inc])

    def _read_token(self, token: str) -> _Place:
        form, kind, status, collection, time, inc = unseal(token, 6)
        if form != _FORMAT or kind != _KIND:
            raise BadCursorError("is of another version")
        if not isinstance(collection, str) or not isinstance(time, int) or not isinstance(inc, int):
            raise BadCursorError("is not a resume token")
        if not (0 < time <= LARGEST_TIME and 0 <= inc < LARGEST_TIME):
            raise BadCursorError("is not a resume token")
        if status != self._query.status:
            raise BadCursorError("belongs to another status")
        return _Place(collection, Timestamp(time, inc))


def _time_of(change: Change) -> datetime | None:
    return None if change.document is None else change.document.get("updated_at")
