from datetime import date
from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.contracts.base import Query
from shared.contracts.fields import UtcDay
from shared.contracts.views import SignupStats

MAX_BUCKETS = 1000

BucketUnit: TypeAlias = Literal["day", "month"]


class GetSignupStats(Query):
    """Sign-ups, deactivations and active users by day or month. Data: a `SignupStats`.

    From the bucket of `from` to that of `to`, both included, oldest first, at most 1,000. Without `to`: to today;
    without `from`: from the first sign-up, as far as 1,000 buckets go. Days and months are those of UTC.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    type: ClassVar[str] = "GetSignupStats"
    view: ClassVar = SignupStats
    update_view: ClassVar = SignupStats

    from_: UtcDay | None = Field(default=None, alias="from")
    to: UtcDay | None = None
    bucket: BucketUnit = "day"

    @model_validator(mode="after")
    def _period(self) -> Self:
        if self.from_ is None or self.to is None:
            return self
        count = bucket_number(self.to, self.bucket) - bucket_number(self.from_, self.bucket) + 1
        if self.to < self.from_:
            raise PydanticCustomError("period", "`from` must not be after `to`")
        if count > MAX_BUCKETS:
            raise PydanticCustomError("period", "more than {most} buckets", {"most": MAX_BUCKETS})
        return self


def bucket_number(day: date, unit: BucketUnit) -> int:
    """Which day or month, counted from the year 1: neighbours differ by one."""
    return day.toordinal() if unit == "day" else day.year * 12 + day.month - 1


def bucket_start(number: int, unit: BucketUnit) -> date:
    """The first day of that day or month."""
    return date.fromordinal(number) if unit == "day" else date(number // 12, number % 12 + 1, 1)
