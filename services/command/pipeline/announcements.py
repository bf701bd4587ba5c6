"""The messages that a committed batch promises to the world: its events, and the outcomes of its commands."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.command.pipeline.batch_decision import NewFact
from services.command.postgres.outbox import Promised
from shared.contracts.cloud_event import CONTENT_TYPE, routing_key, subject
from shared.contracts.cloud_event_json import cloud_event_json, moment
from shared.contracts.outcome import OUTCOMES_TYPE, outcomes_json
from shared.messaging.envelope import Envelope, HeaderValue
from shared.messaging.topology import EVENTS, OUTCOMES

OUTCOMES_KEY = "command.outcomes"
MOST_OUTCOMES = 500
"""In one message: 75 KB, unless clients are told much of why they are rejected."""


def event_messages(facts: Sequence[NewFact], positions: Sequence[int], now: datetime) -> list[Promised]:
    """One CloudEvent each; those of one aggregate keep their order."""
    time = moment(now)
    return [_event_message(fact, position, time) for fact, position in zip(facts, positions, strict=True)]


def outcome_messages(
    outcomes: Sequence[str], positions: Sequence[int], now: datetime, new_id: Callable[[], UUID]
) -> list[Promised]:
    """All in as few messages as can be: for the read side each would cost as much as an event. `positions` are those of
    the batch's events.
    """
    time, position = moment(now), max(positions, default=None)
    return [
        Promised(
            Envelope(
                exchange=OUTCOMES,
                routing_key=OUTCOMES_KEY,
                type=OUTCOMES_TYPE,
                body=outcomes_json(time, position, outcomes[start : start + MOST_OUTCOMES]).encode(),
                message_id=str(new_id()),
            )
        )
        for start in range(0, len(outcomes), MOST_OUTCOMES)
    ]


def _event_message(fact: NewFact, position: int, time: str) -> Promised:
    event_id, aggregate_type, aggregate_id, version, type_, schema_version, data, correlation, causation, actor = (
        fact.row
    )
    headers: dict[str, HeaderValue] = {"aggregate-id": aggregate_id}
    if fact.traceparent is not None:
        headers["traceparent"] = fact.traceparent
    event = cloud_event_json(
        id=event_id,
        type=type_,
        time=time,
        aggregatetype=aggregate_type,
        aggregateid=aggregate_id,
        aggregateversion=version,
        schemaversion=schema_version,
        position=position,
        correlationid=correlation,
        causationid=causation,
        actor=actor,
        data=data,
    )
    envelope = Envelope(
        exchange=EVENTS,
        routing_key=routing_key(aggregate_type, type_),
        type=type_,
        body=event.encode(),
        message_id=str(event_id),
        content_type=CONTENT_TYPE,
        headers=headers,
    )
    return Promised(envelope, subject(aggregate_type, aggregate_id), follows=version > 1)
