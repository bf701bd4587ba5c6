"""How an operator says which dead letters he means: the options that `cqrs dlq` commands share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cyclopts import Parameter

from services.ops.dead_letters.selection import Selection
from services.ops.errors import UsageError
from services.ops.moment import moment


@Parameter(name="*")
@dataclass(frozen=True)
class Filters:
    """What the letters have in common.

    Parameters
    ----------
    reason
        With this reason, such as unknown_type; may be given several times.
    type
        Of this type, such as CreateUser; may be given several times.
    queue
        That failed in this queue; * stands for any characters: commands.*
    aggregate
        About this aggregate, such as user/alice.
    since
        Last seen since: 2h, 7d (ago), 2026-11-22 or 2026-11-22T10:30 (UTC).
    until
        Last seen before.
    """

    reason: list[str] | None = None
    type: list[str] | None = None
    queue: str | None = None
    aggregate: str | None = None
    since: str | None = None
    until: str | None = None

    def selection(self, ids: Sequence[int] = ()) -> Selection:
        """Raises UsageError."""
        now = datetime.now(UTC)
        return Selection(
            ids=tuple(dict.fromkeys(ids)) or None,
            reasons=self.reason or (),
            types=self.type or (),
            queue=self.queue,
            aggregate=self.aggregate,
            since=moment(self.since, now) if self.since else None,
            until=moment(self.until, now) if self.until else None,
        )


NO_FILTERS = Filters()


def chosen(filters: Filters, ids: Sequence[int], *, everything: bool) -> Selection:
    """What a command that changes something is about: it must say so. Raises UsageError."""
    selection = filters.selection(ids)
    if selection.is_everything and not everything:
        raise UsageError("which ones? Give ids, a filter such as --reason unknown_type, or --all")
    if everything and not selection.is_everything:
        raise UsageError("--all means every dead letter: leave it out, or the ids and filters")
    return selection
