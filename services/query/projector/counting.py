"""What became of messages, counted once for each batch."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from services.query.metrics import QueryMetrics
from services.query.projector.incoming import UnreadableMessageError
from services.query.projector.marker import MARKER_TYPE
from services.query.projector.projection import Tally
from shared.contracts.events import EVENTS
from shared.contracts.outcome import OUTCOME_TYPE, OUTCOMES_TYPE
from shared.messaging.envelope import Delivery

logger = structlog.stdlib.get_logger(__name__)

RESULTS = ("applied", "duplicate", "gap_healed", "parked", "ignored")
KINDS = {*EVENTS, OUTCOME_TYPE, OUTCOMES_TYPE, MARKER_TYPE}


def count_batch(metrics: QueryMetrics, name: str, tally: Tally, kinds: Counter[str], seconds: float) -> None:
    metrics.batch_size.labels(name).observe(kinds.total())
    metrics.batch_seconds.labels(name).observe(seconds)
    count_results(metrics, name, tally)
    for kind, count in kinds.items():
        metrics.events_by_type.labels(name, kind).inc(count)


def count_results(metrics: QueryMetrics, name: str, tally: Tally) -> None:
    for result in RESULTS:
        if count := getattr(tally, result):
            metrics.events.labels(name, result).inc(count)
    if tally.newest is not None:
        metrics.lag.labels(name).set(max(0.0, (datetime.now(UTC) - tally.newest).total_seconds()))


def count_dead_letters(
    metrics: QueryMetrics, name: str, letters: Iterable[tuple[Delivery, UnreadableMessageError]]
) -> None:
    for delivery, error in letters:
        metrics.events.labels(name, "dead_lettered").inc()
        logger.warning(
            "dead-lettered",
            read_model=name,
            message_id=delivery.message_id,
            reason=error.reason,
            detail=error.detail,
        )


def kinds(deliveries: Iterable[Delivery]) -> Counter[str]:
    """Types as a metric's label: of a known set, whatever is sent."""
    counted: Counter[str] = Counter()
    for kind, count in Counter(delivery.type for delivery in deliveries).items():
        counted[kind if kind in KINDS else "unknown"] += count
    return counted
