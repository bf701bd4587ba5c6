"""Messages that can never be projected, handed to whoever keeps dead letters."""

from collections.abc import Sequence

from services.query.projector.incoming import UnreadableMessageError
from shared.messaging.envelope import Delivery, Envelope, HeaderValue
from shared.messaging.ports import Publisher
from shared.messaging.topology import DEAD_LETTERS

REASON_HEADER = "dead-letter-reason"
DETAIL_HEADER = "dead-letter-detail"
QUEUE_HEADER = "dead-letter-queue"
MAX_DETAIL = 500


class DeadLettersUnavailableError(Exception):
    """The broker did not take all of them; to be tried again a little later."""


class DeadLetters:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def send(self, letters: Sequence[tuple[Delivery, UnreadableMessageError]]) -> None:
        """Returns when the broker has all of them. Raises DeadLettersUnavailableError."""
        if not letters:
            return
        results = await self._publisher.publish([_letter(delivery, error) for delivery, error in letters])
        failures = [failure for failure in results if failure is not None]
        if failures:
            raise DeadLettersUnavailableError(f"{len(failures)} dead letters not published: {failures[0]}")


def _letter(delivery: Delivery, error: UnreadableMessageError) -> Envelope:
    kept = {key: value for key, value in delivery.headers.items() if isinstance(value, str | bool | int)}
    headers: dict[str, HeaderValue] = {
        **kept,
        REASON_HEADER: error.reason,
        DETAIL_HEADER: error.detail[:MAX_DETAIL],
        QUEUE_HEADER: delivery.queue,
    }
    return Envelope(
        exchange=DEAD_LETTERS,
        routing_key=delivery.routing_key,
        type=delivery.type or "",
        body=delivery.body,
        message_id=delivery.message_id,
        content_type=delivery.content_type or "application/octet-stream",
        correlation_id=delivery.correlation_id,
        headers=headers,
    )
