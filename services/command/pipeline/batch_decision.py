"""What becomes of a batch of arrivals, decided in memory, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, assert_never
from uuid import UUID

from services.command.aggregates import Aggregates, Recorded
from services.command.command_bus import CommandBus
from services.command.domain.decision import Rejection
from services.command.pipeline.arrivals import Arrival, CommandArrived, CommandExpired, Unprocessable
from services.command.pipeline.dead_letter import DeadLetter
from services.command.postgres.events import NewEvent
from services.command.postgres.inbox import Processed
from shared.contracts.base import Event
from shared.contracts.consistency_token import consistency_token
from shared.contracts.outcome import Rejected, RejectionCode, RejectionError, accepted_json
from shared.messaging.envelope import Delivery

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
UNKNOWN = "unknown"


class NewFact(NamedTuple):
    """An event with what its log row does not hold: the trace that it belongs to."""

    row: NewEvent
    traceparent: str | None


@dataclass(slots=True)
class BatchDecision:
    """Everything that one transaction has to write, and what to reply after it."""

    facts: list[NewFact] = field(default_factory=list)
    processed: dict[UUID, Processed] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    """Outcomes for the exchange `outcomes`: those that stand from now on."""
    replies: list[tuple[Delivery, str]] = field(default_factory=list)
    counts: list[tuple[str, str]] = field(default_factory=list)
    """Command type and outcome of each arrival, for the metrics."""


def decide_batch(
    arrivals: Sequence[Arrival],
    *,
    known: Mapping[UUID, Processed],
    aggregates: Mapping[str, Aggregates[Any]],
    bus: CommandBus,
    new_id: Callable[[], UUID],
) -> BatchDecision:
    """`known` is what the inbox holds of these commands, `aggregates` maps an aggregate type to those that are loaded.

    Raises whatever a faulty handler raises; nothing has been written then.
    """
    decision = BatchDecision()
    for arrival in arrivals:
        match arrival:
            case CommandArrived() | CommandExpired():
                earlier = known.get(arrival.command_id) or decision.processed.get(arrival.command_id)
                if earlier is not None:
                    _repeat(decision, arrival, earlier)
                elif isinstance(arrival, CommandArrived):
                    _apply(decision, arrival, aggregates, bus, new_id)
                else:
                    _expire(decision, arrival)
            case Unprocessable():
                _bury(decision, arrival, known)
            case _:
                assert_never(arrival)
    return decision


def _repeat(decision: BatchDecision, arrival: CommandArrived | CommandExpired, earlier: Processed) -> None:
    if earlier.content_hash == arrival.content_hash:
        decision.replies.append((arrival.delivery, earlier.outcome))
        decision.counts.append((_type(arrival), DUPLICATE))
        return
    error = RejectionError(
        code=RejectionCode.IDEMPOTENCY_CONFLICT, message="another command came with this message_id before"
    )
    # Not kept and not announced: the outcome of this id is that of the first command.
    outcome = Rejected(command_id=arrival.command_id, error=error)
    decision.replies.append((arrival.delivery, outcome.model_dump_json()))
    decision.counts.append((_type(arrival), RejectionCode.IDEMPOTENCY_CONFLICT))


def _apply(
    decision: BatchDecision,
    arrival: CommandArrived,
    aggregates: Mapping[str, Aggregates[Any]],
    bus: CommandBus,
    new_id: Callable[[], UUID],
) -> None:
    command = arrival.command
    loaded = aggregates[command.aggregate_type]
    actual = loaded.version(command.aggregate_id)
    result: Recorded | Rejection
    if arrival.expected_version not in (None, actual):
        details = {"expected": arrival.expected_version, "actual": actual}
        message = "the aggregate has another version than expected"
        result = Rejection(RejectionCode.VERSION_CONFLICT, message, details)
    else:
        result = bus.handle(command, loaded)
    if isinstance(result, Rejection):
        error = RejectionError(code=result.code, message=result.message, details=_plain(result.details))
        _reject(decision, arrival, error)
        return
    first_version = result.version - len(result.events) + 1
    for version, event in enumerate(result.events, start=first_version):
        decision.facts.append(_fact(arrival, result, event, version, new_id()))
    token = consistency_token(result.aggregate_type, result.aggregate_id, result.version)
    text = accepted_json(arrival.command_id, result.aggregate_id, result.version, token)
    _conclude(decision, arrival, text, ACCEPTED)


def _expire(decision: BatchDecision, arrival: CommandExpired) -> None:
    error = RejectionError(code=RejectionCode.EXPIRED, message="the command's time ran out before it was its turn")
    _reject(decision, arrival, error)


def _reject(decision: BatchDecision, arrival: CommandArrived | CommandExpired, error: RejectionError) -> None:
    text = Rejected(command_id=arrival.command_id, error=error).model_dump_json()
    _conclude(decision, arrival, text, error.code)


def _conclude(decision: BatchDecision, arrival: CommandArrived | CommandExpired, text: str, count_as: str) -> None:
    decision.processed[arrival.command_id] = Processed(arrival.content_hash, text)
    decision.replies.append((arrival.delivery, text))
    decision.counts.append((_type(arrival), count_as))
    decision.announced.append(text)


def _bury(decision: BatchDecision, arrival: Unprocessable, known: Mapping[UUID, Processed]) -> None:
    decision.letters.append(arrival.letter)
    decision.counts.append((UNKNOWN, arrival.letter.reason))
    if arrival.rejected is None:
        return
    text = arrival.rejected.model_dump_json()
    decision.replies.append((arrival.delivery, text))
    command_id = arrival.command_id
    # A command that has an outcome keeps it, whatever else comes with its id.
    if command_id is not None and command_id not in known and command_id not in decision.processed:
        decision.announced.append(text)


def _fact(arrival: CommandArrived, recorded: Recorded, event: Event, version: int, event_id: UUID) -> NewFact:
    row = NewEvent(
        event_id,
        recorded.aggregate_type,
        recorded.aggregate_id,
        version,
        event.type,
        event.schema_version,
        event.model_dump_json(),
        arrival.delivery.correlation_id or str(arrival.command_id),
        arrival.command_id,
        arrival.delivery.user_id,
    )
    return NewFact(row, arrival.traceparent)


def _type(arrival: CommandArrived | CommandExpired) -> str:
    return arrival.command.type if isinstance(arrival, CommandArrived) else arrival.type


def _plain(details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if details is None else dict(details)
