"""Which dead letters are meant: by their ids, or by what they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, and_, any_, literal, or_, true
from sqlalchemy.dialects.postgresql import ARRAY

from services.ops.dead_letters.table import dead_letters
from shared.messaging.topology import COMMANDS

AGGREGATE_HEADER = "aggregate-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All that meet every condition; of `ids`, `reasons` and `types` any one.

    `since` and `until` bound `last_seen`. `queue` may hold `*` for any characters. `aggregate` is `user/alice` or
    `alice`.
    """

    ids: Sequence[int] | None = None
    reasons: Sequence[str] = ()
    types: Sequence[str] = ()
    queue: str | None = None
    aggregate: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return self == Selection()

    def condition(self) -> ColumnElement[bool]:
        columns = dead_letters.c
        conditions: list[ColumnElement[bool]] = []
        if self.ids is not None:
            conditions.append(columns.id == any_(literal(list(self.ids), ARRAY(BigInteger))))
        if self.reasons:
            conditions.append(columns.reason.in_(self.reasons))
        if self.types:
            conditions.append(columns.type.in_(self.types))
        if self.queue is not None:
            conditions.append(columns.queue.like(_pattern(self.queue), escape="\\"))
        if self.aggregate is not None:
            conditions.append(_of_aggregate(self.aggregate.rpartition("/")[2]))
        if self.since is not None:
            conditions.append(columns.last_seen >= self.since)
        if self.until is not None:
            conditions.append(columns.last_seen < self.until)
        return and_(true(), *conditions)


def _of_aggregate(aggregate_id: str) -> ColumnElement[bool]:
    """A command's routing key is its aggregate; an event names it in a header."""
    columns = dead_letters.c
    return or_(
        and_(columns.exchange == COMMANDS, columns.routing_key == aggregate_id),
        columns.headers[AGGREGATE_HEADER].astext == aggregate_id,
    )


def _pattern(wildcard: str) -> str:
    escaped = wildcard.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
