"""The messages that a committed batch promises to the world: its events, and the outcomes of its commands."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.command.pipeline.batch_decision import NewFact
from services.command.postgres.outbox import Promised
from shared.contracts.cloud_event import CONTENT_TYPE, routing_key, subject
from shared.contracts.cloud_event_json import cloud_event_json, moment
from shared.contracts.outcome import OUTCOMES_TYPE, outcomes_json
from shared.messaging.envelope import NO_HEADERS, HeaderValue
from shared.messaging.topology import EVENTS, OUTCOMES

OUTCOMES_KEY = "command.outcomes"
JSON = "application/json"
MOST_OUTCOMES = 500
"""In one message: 75 KB, unless clients are told much of why they are rejected."""


def event_messages(facts: Sequence[NewFact], now: datetime) -> list[Promised]:
    """One CloudEvent each, around its position in the log; those of one aggregate keep their order."""
    time = moment(now)
    return [_event_message(fact, time) for fact in facts]


def outcome_messages(outcomes: Sequence[str], now: datetime, new_id: Callable[[], UUID]) -> list[Promised]:
    """All in as few messages as can be: for the read side each would cost as much as an event. Around the last position
    of the batch's events, or null.
    """
    time = moment(now)
    return [
        Promised(
            exchange=OUTCOMES,
            routing_key=OUTCOMES_KEY,
            message_id=str(new_id()),
            type=OUTCOMES_TYPE,
            content_type=JSON,
            headers=NO_HEADERS,
            around_position=_encoded(*outcomes_json(time, outcomes[start : start + MOST_OUTCOMES])),
        )
        for start in range(0, len(outcomes), MOST_OUTCOMES)
    ]


def _event_message(fact: NewFact, time: str) -> Promised:
    event_id, aggregate_type, aggregate_id, version, type_, schema_version, data, correlation, causation, actor = (
        fact.row
    )
    headers: dict[str, HeaderValue] = {"aggregate-id": aggregate_id}
    if fact.traceparent is not None:
        headers["traceparent"] = fact.traceparent
    around_position = cloud_event_json(
        id=event_id,
        type=type_,
        time=time,
        aggregatetype=aggregate_type,
        aggregateid=aggregate_id,
        aggregateversion=version,
        schemaversion=schema_version,
        correlationid=correlation,
        causationid=causation,
        actor=actor,
        data=data,
    )
    return Promised(
        exchange=EVENTS,
        routing_key=routing_key(aggregate_type, type_),
        message_id=str(event_id),
        type=type_,
        content_type=CONTENT_TYPE,
        headers=headers,
        around_position=_encoded(*around_position),
        ordering_key=subject(aggregate_type, aggregate_id),
        follows=version > 1,
    )


def _encoded(before: str, after: str) -> tuple[bytes, bytes]:
    return before.encode(), after.encode()
