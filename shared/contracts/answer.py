"""What a query comes to: sent to `reply_to` with `type: QueryAnswer`."""

from enum import StrEnum
from typing import Annotated, Any, Generic, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypeVar

ANSWER_TYPE = "QueryAnswer"

DataT = TypeVar("DataT", default=Any)


class ErrorCode(StrEnum):
    """Stable codes; programs branch on them, so none ever changes its meaning."""

    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_TYPE = "unknown_type"
    USER_NOT_FOUND = "user_not_found"
    STALE_READ = "stale_read"
    BAD_CURSOR = "bad_cursor"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    SUBSCRIPTION_ENDED = "subscription_ended"
    INTERNAL = "internal"


class AsOf(BaseModel):
    """How fresh the answer is: the version of its aggregate (null for a list), and when that was written.

    Everything that the broker had for the read model by `complete_until` is in the answer (null: nothing is known of
    that). It is a proof and not an estimate, so it may be a little older than what is true.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int | None = None
    time: AwareDatetime | None = None
    complete_until: AwareDatetime | None = None


class AnswerError(BaseModel):
    """`retryable` says whether the same question may well be answered a little later."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    message: str
    retryable: bool = False


class Answered(BaseModel, Generic[DataT]):
    """`data` is JSON on the wire; a client reads it as the query's `view`."""

    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")

    status: Literal["ok"] = "ok"
    data: DataT
    as_of: AsOf


class Failed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")

    status: Literal["error"] = "error"
    error: AnswerError


Answer = Annotated[Answered | Failed, Field(discriminator="status")]
ANSWER: TypeAdapter[Answered | Failed] = TypeAdapter(Answer, config=ConfigDict(cache_strings="keys"))
