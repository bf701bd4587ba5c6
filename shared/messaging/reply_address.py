"""Where a reply may go."""

import re

MAX_BYTES = 255

_CLIENT_QUEUE = re.compile(r"reply\.[\x21-\x7e]+")
_DIRECT_REPLY = re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9+/=_-]+\.[A-Za-z0-9+/=_-]+")


def is_allowed(reply_to: str) -> bool:
    """Whether a reply may be sent there:

    a direct reply-to token of RabbitMQ, or a client's own queue named `reply.<anything>`.

    Anything else is refused, so that nobody makes a service write into another queue. A malformed token is refused too,
    because the broker closes the connection of whoever publishes to one.
    <https://www.rabbitmq.com/docs/direct-reply-to>
    """
    if len(reply_to) > MAX_BYTES:
        return False
    return _CLIENT_QUEUE.fullmatch(reply_to) is not None or _DIRECT_REPLY.fullmatch(reply_to) is not None
