"""What a command comes to: sent to `reply_to` with `type: CommandOutcome`, and kept for `GetCommandStatus`."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring as quoted
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

OUTCOME_TYPE = "CommandOutcome"
OUTCOMES_TYPE = "CommandOutcomes"


class RejectionCode(StrEnum):
    """Stable codes; programs branch on them, so none ever changes its meaning."""

    USER_ALREADY_EXISTS = "user_already_exists"
    USER_NOT_FOUND = "user_not_found"
    USER_DEACTIVATED = "user_deactivated"
    USER_ACTIVE = "user_active"
    EMAIL_TAKEN = "email_taken"
    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_TYPE = "unknown_type"
    UNSUPPORTED_VERSION = "unsupported_version"
    VERSION_CONFLICT = "version_conflict"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    EXPIRED = "expired"


class RejectionError(BaseModel):
    """Why: a code for programs, a sentence for people, and details such as the faulty field."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    message: str
    details: dict[str, Any] | None = None


class Accepted(BaseModel):
    """The command was applied, or changed nothing; the aggregate stands at `version`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["accepted"] = "accepted"
    command_id: UUID
    aggregate_id: str
    version: int
    consistency_token: str


def accepted_json(command_id: UUID, aggregate_id: str, version: int, consistency_token: str) -> str:
    """The text of `Accepted(…).model_dump_json()`, which costs four times as much: nearly all outcomes are this one."""
    return (
        f'{{"status":"accepted","command_id":"{command_id}","aggregate_id":{quoted(aggregate_id)},"version":{version},'
        f'"consistency_token":{quoted(consistency_token)}}}'
    )


class Rejected(BaseModel):
    """The command was refused and changed nothing. `command_id` is null only where the message had none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["rejected"] = "rejected"
    command_id: UUID | None
    error: RejectionError


Outcome = Annotated[Accepted | Rejected, Field(discriminator="status")]
OUTCOME: TypeAdapter[Accepted | Rejected] = TypeAdapter(Outcome, config=ConfigDict(cache_strings="keys"))


class Outcomes(BaseModel):
    """The outcomes of commands that were decided together, for the read side: one message instead of one for each.

    `time` is when that was (UTC), `position` the largest of their events in the log; null where they have none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", cache_strings="keys")

    time: datetime
    position: int | None
    outcomes: tuple[Outcome, ...]


def outcomes_json(time: str, outcomes: Sequence[str]) -> tuple[str, str]:
    """The text of `Outcomes(…).model_dump_json()` before and after the position (a number or null); `time` is the text
    that `moment` gives, `outcomes` are JSON.
    """
    return f'{{"time":"{time}","position":', f',"outcomes":[{",".join(outcomes)}]}}'
