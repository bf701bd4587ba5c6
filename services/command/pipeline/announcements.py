"""The messages that a committed batch promises to the world: its events, and outcomes that no event tells of."""

from collections.abc import Callable, Sequence
from uuid import UUID

from services.command.pipeline.batch_decision import NewFact
from services.command.postgres.outbox import Promised
from shared.contracts.cloud_event import CONTENT_TYPE, CloudEvent, routing_key, subject
from shared.contracts.outcome import OUTCOME_TYPE
from shared.messaging.envelope import Envelope, HeaderValue
from shared.messaging.topology import EVENTS, OUTCOMES

ACCEPTED_KEY = "command.accepted"
REJECTED_KEY = "command.rejected"


def event_messages(facts: Sequence[NewFact], positions: Sequence[int]) -> list[Promised]:
    """One CloudEvent each; those of one aggregate keep their order."""
    return [_event_message(fact, position) for fact, position in zip(facts, positions, strict=True)]


def outcome_messages(outcomes: Sequence[str], new_id: Callable[[], UUID]) -> list[Promised]:
    return [
        Promised(
            Envelope(
                exchange=OUTCOMES,
                routing_key=ACCEPTED_KEY if outcome.startswith('{"status":"accepted"') else REJECTED_KEY,
                type=OUTCOME_TYPE,
                body=outcome.encode(),
                message_id=str(new_id()),
            ),
            ordering_key=None,
        )
        for outcome in outcomes
    ]


def _event_message(fact: NewFact, position: int) -> Promised:
    row = fact.row
    about = subject(row.aggregate_type, row.aggregate_id)
    headers: dict[str, HeaderValue] = {"aggregate-id": row.aggregate_id}
    if fact.traceparent is not None:
        headers["traceparent"] = fact.traceparent
    event = CloudEvent(
        id=row.event_id,
        type=row.type,
        subject=about,
        time=row.time,
        aggregatetype=row.aggregate_type,
        aggregateid=row.aggregate_id,
        aggregateversion=row.version,
        schemaversion=row.schema_version,
        position=position,
        correlationid=row.correlation_id,
        causationid=row.causation_id,
        actor=row.actor,
        data=fact.event.model_dump(mode="json"),
    )
    envelope = Envelope(
        exchange=EVENTS,
        routing_key=routing_key(row.aggregate_type, row.type),
        type=row.type,
        body=event.model_dump_json().encode(),
        message_id=str(row.event_id),
        content_type=CONTENT_TYPE,
        headers=headers,
    )
    return Promised(envelope, ordering_key=about)
