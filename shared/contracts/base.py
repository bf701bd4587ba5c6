"""What every message of the wire contract has in common."""

from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

_Shape: TypeAlias = type[BaseModel]


class Command(BaseModel):
    """What somebody wants done, in the imperative. Strict: what is not in the contract is refused.

    `type` is the name on the wire (AMQP property `type`), `schema_version` the version of the body
    that this class describes (header `schema-version`, 1 when absent).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    aggregate_type: ClassVar[str]

    @property
    def aggregate_id(self) -> str:
        """The id of the aggregate that decides; also the routing key, so that its commands keep their order."""
        raise NotImplementedError


class Event(BaseModel):
    """What has happened, in the past tense: the `data` of a CloudEvent.

    Tolerant: an unknown field is ignored, because changes within a schema version are additive.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    aggregate_type: ClassVar[str]


class Query(BaseModel):
    """A question to the read side. Strict, like a command. `view` is the shape of the data in its answer, `update_view`
    that in its updates; None when it can't be asked with `subscribe` (see shared/contracts/live.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    view: ClassVar[_Shape]
    update_view: ClassVar[_Shape | None] = None
