"""A dead letter as the message that it was."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.ops.dead_letters.letter import DeadLetter
from shared.messaging.envelope import Envelope
from shared.messaging.frames import publish_frames
from shared.messaging.topology import COMMANDS, DEFAULT_EXCHANGE, projection_queue

OF_ITS_DEATH = frozenset(
    {
        "x-death",
        *(f"x-{which}-death-{what}" for which in ("first", "last") for what in ("exchange", "queue", "reason")),
        "dead-letter-reason",
        "dead-letter-detail",
        "dead-letter-queue",
    }
)
FRAME_MAX = 128 * 1024
"""What RabbitMQ agrees to, unless it is configured."""


class UnrestorableError(Exception):
    """The message can't be made again from its dead letter; says why."""


def restored(letter: DeadLetter) -> Envelope:
    """The message, with its own id, headers and properties, on its way to whom it failed for.

    A command goes to the exchange that it came by. What failed for a projection goes to that projection's queue alone:
    sent to its exchange again, all who subscribe would see it once more. Headers that tell of its death are left out,
    and so is `expiration`: the time that it might wait for is over, and the operator wants it handled all the same.

    Raises UnrestorableError.
    """
    exchange, routing_key = _address(letter)
    properties = value_of(letter.properties)
    headers = {name: value_of(value) for name, value in letter.headers.items() if name not in OF_ITS_DEATH}
    try:
        envelope = Envelope(
            exchange=exchange,
            routing_key=routing_key,
            type=letter.type or "",
            body=letter.body,
            message_id=letter.message_id,
            content_type=properties.get("content_type"),
            content_encoding=properties.get("content_encoding"),
            headers=headers,
            correlation_id=properties.get("correlation_id"),
            reply_to=properties.get("reply_to"),
            timestamp=properties.get("timestamp"),
            user_id=properties.get("user_id"),
        )
        publish_frames(1, envelope, mandatory=True, frame_max=FRAME_MAX)
    except ValueError as error:
        raise UnrestorableError(str(error)) from error
    return envelope


def value_of(stored: Any) -> Any:
    """What a value was before it was made representable as JSON. Raises UnrestorableError for what was cut off.

    (services/command/pipeline/dead_letter.py is the way there; a test holds that both agree.)
    """
    match stored:
        case Mapping():
            if len(stored) == 1:
                ((name, value),) = stored.items()
                if name == "$truncated":
                    raise UnrestorableError("its headers were nested too deep to be kept")
                if name in _READERS and isinstance(value, str):
                    try:
                        return _READERS[name](value)
                    except (ValueError, InvalidOperation, binascii.Error):
                        pass  # somebody's own header that looks like one of ours
            return {name: value_of(value) for name, value in stored.items()}
        case list():
            return [value_of(value) for value in stored]
        case _:
            return stored


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "$bytes": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "$time": datetime.fromisoformat,
    "$integer": lambda text: int(text, 16),
    "$decimal": Decimal,
    "$float": float,
}


def _address(letter: DeadLetter) -> tuple[str, str]:
    if letter.queue.startswith(projection_queue("")):
        return DEFAULT_EXCHANGE, letter.queue
    if letter.exchange == COMMANDS:
        return COMMANDS, letter.routing_key
    raise UnrestorableError(f"nobody is known who would take it: it failed in queue {letter.queue!r}")
