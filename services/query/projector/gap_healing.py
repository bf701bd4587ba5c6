"""Missing versions, read from the event log."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.query.domain_event import DomainEvent
from services.query.projector.event_log import EventLog
from services.query.projector.fold import Check, Failure, Folded, by_aggregate, fold
from services.query.read_model import FoldedModel


@dataclass(frozen=True, slots=True)
class Healed:
    """`result` as it is after the log was read; `added` counts the events that nobody had delivered."""

    result: Folded
    added: int


async def close_gaps(
    model: FoldedModel, log: EventLog, gaps: Mapping[str, Folded], check: Check | None = None
) -> dict[str, Healed]:
    """Folds on, from the log, what stopped at a gap; up to the newest event of each aggregate, a page at a time.

    What the log doesn't hold either is a failure with the reason `log_gap`. Raises EventLogUnavailableError.
    """
    if not gaps:
        return {}
    delivered = {key: {event.version for event in gap.beyond_gap} for key, gap in gaps.items()}
    results = dict(gaps)
    added = dict.fromkeys(gaps, 0)
    async for page in log.read(model.aggregate_type, {key: gap.version for key, gap in gaps.items()}):
        for key, events in by_aggregate(page).items():
            before = results[key]
            if before.failure is not None:
                continue
            step = fold(model, before.document, events, check)
            mine = tuple(event for event in step.applied if event.version in delivered[key])
            added[key] += len(step.applied) - len(mine)
            results[key] = replace(
                before,
                document=step.document,
                details=before.details + step.details,
                applied=before.applied + mine,
                failure=step.failure,
            )
    return {
        key: Healed(_with_the_rest(model, result, gaps[key].beyond_gap, check), added[key])
        for key, result in results.items()
    }


def _with_the_rest(model: FoldedModel, result: Folded, beyond: tuple[DomainEvent, ...], check: Check | None) -> Folded:
    """Folds the events that waited beyond the gap and that the log did not give."""
    missing = tuple(event for event in beyond if event.version > result.version)
    repeated = len(beyond) - len(missing) - sum(event in beyond for event in result.applied)
    result = replace(result, beyond_gap=(), duplicates=result.duplicates + max(0, repeated))
    if result.failure is not None:
        return replace(result, held=result.held + len(missing))
    rest = fold(model, result.document, missing, check)
    failure = rest.failure
    if rest.beyond_gap:
        first = rest.beyond_gap[0].version
        detail = f"the log ends at version {rest.version}, and version {first} has arrived"
        failure = Failure(rest.version + 1, "log_gap", detail)
    return replace(
        result,
        document=rest.document,
        details=result.details + rest.details,
        applied=result.applied + rest.applied,
        duplicates=result.duplicates + rest.duplicates,
        held=result.held + rest.held + len(rest.beyond_gap),
        failure=failure,
    )
