"""`GetAllUsers`, live: every change of the users that its filter lets through, on whatever page they are."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeAlias

from bson import Timestamp

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.change_feed import HistoryLostError, Missed
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
_FORMAT, _KIND = 2, "users"

Now: TypeAlias = Callable[[], Awaitable[Timestamp]]
"""Up to when MongoDB's majority has everything."""
Since: TypeAlias = Callable[[Timestamp, str, int], Awaitable[Missed]]
"""The changes of a collection from that moment on, at most so many. Raises HistoryLostError."""


@dataclass(frozen=True, slots=True)
class _Place:
    """In the changes of one generation: before this moment, or after so many of its changes: those of a transaction
    have one moment.
    """

    collection: str
    moment: Timestamp
    passed: int = 0

    def after(self, change: Change) -> "_Place":
        passed = self.passed + 1 if change.moment == self.moment else 1
        return _Place(change.collection, change.moment, passed)

    def beyond(self, changes: Sequence[Change]) -> Sequence[Change]:
        """`changes` from this moment on, without those that are passed."""
        same = sum(change.moment == self.moment for change in changes)
        return changes[min(same, self.passed) :]


class UsersFollower:
    """MongoDB's time is the place in the updates: who comes back with a token gets what its oplog still has, and begins
    anew when the read model has another generation by then.
    """

    pause: ClassVar[float] = 0.0
    patience: ClassVar[None] = None
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
        self._told_by = Timestamp(0, 0)
        """Up to when the changes that were missed have been told."""
        self._place = _Place("", Timestamp(0, 0))
        self._outside: OrderedDict[str, None] = OrderedDict()

    async def begin(self, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        seen = None if resume_token is None else self._read_token(resume_token)
        answer = await self._page(demand)
        if isinstance(answer, Failed):
            return answer
        first = Update(answer, self._token())
        collection = self._place.collection
        if seen is None or seen.collection != collection:
            return Beginning([first])
        try:
            missed = await self._since(seen.moment, collection, MOST_MISSED)
        except HistoryLostError:
            return Beginning([first])
        if self.source().name != collection:
            return Beginning([first])
        self._place, self._told_by = seen, missed.up_to
        return Beginning([first, *self._told(seen.beyond(missed.changes))], resumed=True)

    async def next(self, changes: Sequence[Change]) -> Sequence[Update]:
        return self._told([change for change in changes if change.moment > self._told_by])

    async def again(self) -> Sequence[Update]:
        page = await self._page(Demand())
        if isinstance(page, Failed):
            return [Update(page, self._token())]
        self._outside.clear()
        anew = Answered(data={"changes": [], "page": page.data}, as_of=page.as_of)
        return [Update(anew, self._token())]

    async def _page(self, demand: Demand) -> Answered | Failed:
        """The first page. Its place is when it was not yet read: from then on changes are told, too."""
        moment = await self._now()
        self._place = _Place(self.source().name, Timestamp(moment.time, moment.inc + 1))
        page = await self._ask(demand)
        if isinstance(page, Answered):
            self._read_by = await self._now()
            self._shown = {item["user_id"]: item["version"] for item in page.data["items"]}
        return page

    def _told(self, changes: Sequence[Change]) -> list[Update]:
        updates: list[Update] = []
        for start in range(0, len(changes), MAX_PAGE):
            some = changes[start : start + MAX_PAGE]
            told = [told for change in some if (told := self._one(change)) is not None]
            for change in some:
                self._place = self._place.after(change)
            if told:
                time = max(filter(None, map(_time_of, some)), default=None)
                answer = Answered(data={"changes": told, "page": None}, as_of=AsOf(time=time))
                updates.append(Update(answer, self._token()))
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

    def _token(self) -> str:
        at = self._place
        return seal([_FORMAT, _KIND, self._query.status, at.collection, at.moment.time, at.moment.inc, at.passed])

    def _read_token(self, token: str) -> _Place:
        form, kind, status, collection, time, inc, passed = unseal(token, 7)
        if form != _FORMAT or kind != _KIND:
            raise BadCursorError("is of another version")
        if not isinstance(collection, str) or not isinstance(time, int) or not isinstance(inc, int):
            raise BadCursorError("is not a resume token")
        if not isinstance(passed, int) or not (0 < time <= LARGEST_TIME and 0 <= inc < LARGEST_TIME and passed >= 0):
            raise BadCursorError("is not a resume token")
        if status != self._query.status:
            raise BadCursorError("belongs to another status")
        return _Place(collection, Timestamp(time, inc), passed)


def _time_of(change: Change) -> datetime | None:
    return None if change.document is None else change.document.get("updated_at")
