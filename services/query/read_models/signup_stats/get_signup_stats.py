from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from pymongo import ASCENDING
from pymongo.read_concern import ReadConcern

from services.query.freshness.demand import Demand
from services.query.freshness.freshness import Freshness
from services.query.mongo.collections import CollectionSource
from services.query.read_models.signup_stats.buckets import buckets
from shared.contracts.answer import Answered, AnswerError, AsOf, ErrorCode, Failed
from shared.contracts.queries import GetSignupStats
from shared.contracts.queries.get_signup_stats import MAX_BUCKETS, bucket_number, bucket_start

SNAPSHOT = ReadConcern("snapshot")  # one state of all days, though a batch of events may change several


def now_utc() -> datetime:
    return datetime.now(UTC)


class GetSignupStatsHandler:
    """Reads the counters of days, never users: a year of them are 365 small documents."""

    def __init__(self, days: CollectionSource, freshness: Freshness, clock: Callable[[], datetime] = now_utc) -> None:
        self._days = days
        self._freshness = freshness
        self._clock = clock

    async def __call__(self, query: GetSignupStats, demand: Demand) -> Answered | Failed:
        if stale := await self._freshness.wait(demand):
            return stale
        counters = self._days().with_options(read_concern=SNAPSHOT)
        days = await counters.find(**days_request(query)).to_list()
        first, last = self._period(query, [day["_id"].date() for day in days])
        if bucket_number(last, query.bucket) - bucket_number(first, query.bucket) >= MAX_BUCKETS:
            message = f"from: more than {MAX_BUCKETS} buckets up to {last}"
            return Failed(error=AnswerError(code=ErrorCode.INVALID_MESSAGE, message=message))
        return Answered(
            data={"items": buckets(days, query.bucket, first, last)},
            as_of=AsOf(time=max((day["updated_at"] for day in days), default=None)),
        )

    def _period(self, query: GetSignupStats, days: list[date]) -> tuple[date, date]:
        """Begins with the first event and ends today, or with the last event if that is later, unless asked for."""
        last = query.to or max([self._clock().date(), *days[-1:]])
        if query.from_:
            return query.from_, last
        first = min([last, *days[:1]])
        earliest = bucket_number(last, query.bucket) - MAX_BUCKETS + 1
        if bucket_number(first, query.bucket) < earliest:
            first = bucket_start(earliest, query.bucket)
        return first, last


def days_request(query: GetSignupStats) -> dict[str, Any]:
    """The arguments of `find` for all days up to the end of the last bucket, oldest first."""
    last = query.to or date.max
    if query.bucket == "month":
        last = last.replace(day=monthrange(last.year, last.month)[1])
    return {"filter": {"_id": {"$lte": datetime.combine(last, time(), UTC)}}, "sort": [("_id", ASCENDING)]}
