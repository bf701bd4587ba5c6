"""`GetSignupStats`, live: the whole answer again whenever it is another one."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar

from services.query.freshness.demand import Demand
from services.query.live.change import Change
from services.query.live.follower import Ask, Beginning, Update
from services.query.mongo.collections import CollectionSource
from services.query.sealed_cursor import BadCursorError, seal, unseal
from shared.contracts.answer import Answered, Failed
from shared.contracts.queries import GetSignupStats

_FORMAT, _KIND = 1, "signup_stats"


class SignupStatsFollower:
    """Each update is a state and not a step: so several changes may be one, and who comes back has missed nothing. Its
    token tells which state it was.

    A period without an end goes up to today: at midnight (UTC) it has one bucket more, though nothing is written.
    """

    pause: ClassVar[float] = 0.2
    key: ClassVar[None] = None

    def __init__(
        self, query: GetSignupStats, ask: Ask, *, source: CollectionSource, clock: Callable[[], datetime]
    ) -> None:
        self.source = source
        self._query = query
        self._ask = ask
        self._clock = clock
        self._shown: Any = None

    @property
    def patience(self) -> float | None:
        if self._query.to is not None:
            return None
        now = self._clock()
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        return (midnight - now).total_seconds()

    async def begin(self, demand: Demand, resume_token: str | None) -> Beginning | Failed:
        if resume_token is not None and unseal(resume_token, 3)[:2] != [_FORMAT, _KIND]:
            raise BadCursorError("belongs to another query")
        answer = await self._ask(demand)
        if isinstance(answer, Failed):
            return answer
        self._shown = answer.data
        return Beginning([Update(answer, _token(answer))], resumed=resume_token is not None)

    async def next(self, _changes: Sequence[Change]) -> Sequence[Update]:
        return await self.again()

    async def again(self) -> Sequence[Update]:
        answer = await self._ask(Demand())
        if isinstance(answer, Failed):
            return [Update(answer, _token(answer))]
        if answer.data == self._shown:
            return []
        self._shown = answer.data
        return [Update(answer, _token(answer))]


def _token(answer: Answered | Failed) -> str:
    state = answer.model_dump_json(exclude={"as_of"})
    return seal([_FORMAT, _KIND, hashlib.blake2b(state.encode(), digest_size=8).hexdigest()])
