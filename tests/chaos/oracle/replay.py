"""Everything that the log and the outcomes tell, as the messages that a read side would get: an order of its own."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from random import Random
from typing import Any

from tests.support.oracle import Stored

OUTCOMES_KEY = "command.outcomes"
UNKNOWN_TIME = "2000-01-01T00:00:00Z"
AGAIN = 0.1
"""The share of messages that come a second time, somewhere behind the first."""


@dataclass(frozen=True)
class Message:
    """As it is published; messages with the same `order` keep theirs."""

    exchange: str
    routing_key: str
    type: str
    message_id: str
    body: bytes
    order: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def replay(held: Stored, poison: Mapping[str, str], seed: int) -> list[Message]:
    """`poison`: message id → reason, of those that are dead letters. Shuffled, but for the order of each aggregate."""
    rng = Random(f"replay {seed}")
    messages = _shuffled([*_events(held), *_outcomes(held, poison)], rng)
    placed = [(float(place), message) for place, message in enumerate(messages)]
    again = [(rng.uniform(place, len(messages)), message) for place, message in placed if rng.random() < AGAIN]
    return [message for _, message in sorted(placed + again, key=itemgetter(0))]


def _shuffled(messages: Iterable[Message], rng: Random) -> list[Message]:
    lines: dict[str, list[Message]] = {}
    for message in messages:
        lines.setdefault(message.order, []).append(message)
    turns = [order for order, line in lines.items() for _ in line]
    rng.shuffle(turns)
    waiting = {order: iter(line) for order, line in lines.items()}
    return [next(waiting[order]) for order in turns]


def _events(held: Stored) -> Iterator[Message]:
    for user_id, events in held.events.items():
        for event in events:
            document = cloud_event(event)
            yield Message(
                exchange="events",
                routing_key=f"user.{event['type']}",
                type=event["type"],
                message_id=document["id"],
                body=json.dumps(document).encode(),
                order=user_id,
                content_type="application/cloudevents+json",
                headers={"aggregate-id": user_id},
            )


def cloud_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Section 2 of the design, from a row of the log."""
    return {
        "specversion": "1.0",
        "id": str(event["event_id"]),
        "source": "/command-service",
        "type": event["type"],
        "subject": f"user/{event['aggregate_id']}",
        "time": _rfc3339(event["time"]),
        "datacontenttype": "application/json",
        "aggregatetype": event["aggregate_type"],
        "aggregateid": event["aggregate_id"],
        "aggregateversion": event["version"],
        "schemaversion": event["schema_version"],
        "position": event["position"],
        "correlationid": event["correlation_id"],
        "causationid": str(event["causation_id"]),
        "actor": event["actor"],
        "data": event["data"],
    }


def _outcomes(held: Stored, poison: Mapping[str, str]) -> Iterator[Message]:
    """Of those with an event at the time of that."""
    last = {str(event["causation_id"]): event for events in held.events.values() for event in events}
    outcomes = dict(held.outcomes)
    for message_id, reason in poison.items():
        error = {"code": reason, "message": "replayed"}
        outcomes.setdefault(message_id, {"status": "rejected", "command_id": message_id, "error": error})
    for command_id, outcome in outcomes.items():
        event = last.get(command_id)
        time, position = (_rfc3339(event["time"]), event["position"]) if event else (UNKNOWN_TIME, None)
        body = json.dumps({"time": time, "position": position, "outcomes": [outcome]}).encode()
        yield Message("outcomes", OUTCOMES_KEY, "CommandOutcomes", f"replay-{command_id}", body, order=command_id)


def without_a_time(held: Stored, poison: Mapping[str, str]) -> set[str]:
    """Commands whose outcome was told at a time that no event has kept."""
    with_event = {str(event["causation_id"]) for events in held.events.values() for event in events}
    return (held.outcomes.keys() | poison.keys()) - with_event


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
