"""Where a reply may go."""

import binascii
import re
from base64 import b64decode
from functools import lru_cache
from typing import Final

MAX_BYTES: Final = 255
DIRECT_REPLY_TO: Final = "amq.rabbitmq.reply-to"

_CLIENT_QUEUE = re.compile(r"reply\.[\x21-\x7e]+")
_DIRECT_REPLY = re.compile(r"amq\.rabbitmq\.reply-to\.([A-Za-z0-9+/]+=*)\.[A-Za-z0-9+/]+=*")
# Erlang's external term format of a process id, with the node's name shortened to `reply@<hash of the name>`: 12 more
# bytes after the name, or 9 in the older form. <https://www.erlang.org/doc/apps/erts/erl_ext_dist.html>
_PROCESS_ID = re.compile(rb"\x83(X|g)(v..|w.)([a-z]+@[0-9]{1,9})(.{9}|.{12})", re.DOTALL)
_BYTES_AFTER_NAME = {b"X": 12, b"g": 9}


def is_allowed(reply_to: str) -> bool:
    """Whether a reply may be sent there: a direct reply-to token of RabbitMQ, or a client's queue `reply.<anything>`.

    Anything else is refused, so that nobody makes a service write into another queue. A malformed token is refused
    because a broker before 4.2 closes the connection of whoever publishes to one; what it takes apart is checked here,
    but for the node that it names (see AmqpReplier). <https://www.rabbitmq.com/docs/direct-reply-to>
    """
    if len(reply_to) > MAX_BYTES:
        return False
    return _CLIENT_QUEUE.fullmatch(reply_to) is not None or direct_reply_node(reply_to) is not None


@lru_cache(maxsize=4096)
def direct_reply_node(reply_to: str) -> bytes | None:
    """The (shortened) name of the broker's node that made this direct reply-to token; None when it isn't one."""
    token = _DIRECT_REPLY.fullmatch(reply_to)
    if token is None:
        return None
    try:
        process_id = _PROCESS_ID.fullmatch(b64decode(token[1], validate=True))
    except binascii.Error:
        return None
    if process_id is None:
        return None
    kind, length, name, rest = process_id.groups()
    if int.from_bytes(length[1:]) != len(name) or len(rest) != _BYTES_AFTER_NAME[kind]:
        return None
    return bytes(name)
