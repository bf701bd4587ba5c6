"""A marker in the queue of a read model: when its answer comes, all that was in the queue before it is visible there.

This is how a process learns how far behind a read model is, whichever process projects it. Nothing else proves it: the
time of the last event says nothing when nobody writes, an empty queue says nothing of a batch that is being written,
and the projector that would say how it fares may be the one that is stuck. And since who asks measures the time by his
own clock, from the moment that he sent the marker, no two clocks are ever compared.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias
from uuid import uuid4

from shared.messaging.envelope import Delivery, Envelope
from shared.messaging.reply import Reply, addressed
from shared.messaging.topology import DEFAULT_EXCHANGE

MARKER_TYPE: Final = "ProjectionMarker"
READ_MODEL_HEADER: Final = "read-model"
PASSED: Final = Reply(type="ProjectionMarkerPassed", body=b"{}")
PATIENCE_SECONDS: Final = 5.0
"""After that long another one is sent: this one's answer, or the queue that held it, may be gone."""

Mark: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when everything that the broker had for the read model when it was called is visible.

Raises RpcError when there is no proof of that.
"""


class MarkerRpc(Protocol):
    async def call(self, request: Envelope, *, timeout: float, expires: bool) -> Delivery: ...


def marker(rpc: MarkerRpc, queue: str, read_model: str) -> Mark:
    async def mark() -> None:
        # It must not expire in the queue: what does is a dead letter.
        await rpc.call(marker_for(queue, read_model), timeout=PATIENCE_SECONDS, expires=False)

    return mark


def marker_for(queue: str, read_model: str) -> Envelope:
    return Envelope(
        exchange=DEFAULT_EXCHANGE,
        routing_key=queue,
        type=MARKER_TYPE,
        message_id=str(uuid4()),
        body=b"{}",
        headers={READ_MODEL_HEADER: read_model},
        persistent=False,
    )


def read_model_of(marker: Delivery) -> str:
    """For which of the read models that share the queue it asks; "" when it says nothing of that."""
    return str(marker.headers.get(READ_MODEL_HEADER, ""))


def is_marker(delivery: Delivery) -> bool:
    return delivery.type == MARKER_TYPE


def passed(markers: list[Delivery]) -> list[Envelope]:
    """The answers to these markers."""
    return [answer for marker in markers if (answer := addressed(PASSED, marker)) is not None]
