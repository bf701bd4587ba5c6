"""What has arrived on the queue `dead-letters`: what the broker gave up on, and what other services send there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.command.command_bus import CommandBus
from services.command.pipeline.arrivals import Arrival, CommandArrived, CommandExpired, Unprocessable
from services.command.pipeline.dead_letter import dead_letter
from services.command.pipeline.reception import receive_command
from shared.messaging.envelope import Delivery
from shared.messaging.topology import COMMANDS

EXPIRED = "expired"


def receive_dead_letter(bus: CommandBus, delivery: Delivery) -> Arrival:
    """An expired command gets its outcome; everything else becomes a dead letter with the reason it came with."""
    death = _latest_death(delivery)
    queue = _text(death.get("queue"))
    if death.get("reason") == EXPIRED and queue is not None and queue.startswith(f"{COMMANDS}."):
        return _expired(bus, replace(delivery, queue=queue))
    return _letter(delivery, death, queue)


def _expired(bus: CommandBus, delivery: Delivery) -> Arrival:
    arrival = receive_command(bus, delivery)
    if not isinstance(arrival, CommandArrived):
        return arrival
    return CommandExpired(
        delivery=delivery,
        command_id=arrival.command_id,
        type=arrival.command.type,
        content_hash=arrival.content_hash,
    )


def _letter(delivery: Delivery, death: Mapping[str, Any], queue: str | None) -> Unprocessable:
    headers = delivery.headers
    routing_keys = death.get("routing-keys")
    letter = dead_letter(
        delivery,
        _text(headers.get("dead-letter-reason")) or _text(death.get("reason")) or "unknown",
        _text(headers.get("dead-letter-detail")) or (f"dead-lettered by the broker from {queue}" if queue else ""),
        queue=_text(headers.get("dead-letter-queue")) or queue,
        exchange=_text(death.get("exchange")),
        routing_key=_text(routing_keys[0]) if isinstance(routing_keys, list) and routing_keys else None,
    )
    return Unprocessable(delivery=delivery, letter=letter)


def _latest_death(delivery: Delivery) -> Mapping[str, Any]:
    """The newest entry of `x-death` (https://www.rabbitmq.com/docs/dlx#effects), empty where there is none."""
    deaths = delivery.headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping):
        return deaths[0]
    return {}


def _text(value: object) -> str | None:
    """Header strings that are not UTF-8 arrive as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
