"""Where a reply may go."""

import binascii
import re
from base64 import b64decode
from typing import Final

MAX_BYTES: Final = 255
DIRECT_REPLY_TO: Final = "amq.rabbitmq.reply-to"

_CLIENT_QUEUE = re.compile(r"reply\.[\x21-\x7e]+")
_DIRECT_REPLY = re.compile(r"amq\.rabbitmq\.reply-to\.([A-Za-z0-9+/]+=*)\.[A-Za-z0-9+/]+=*")
# Erlang's external term format of a process id, with the node's name shortened to `reply@<hash>`:
# NEW_PID_EXT, 12 bytes after the name, or PID_EXT, 9 bytes. <https://www.erlang.org/doc/apps/erts/erl_ext_dist.html>
_PROCESS_ID = re.compile(rb"\x83(?:X[dv](..)([a-z]+@[0-9]{1,9}).{12}|g[dv](..)([a-z]+@[0-9]{1,9}).{9})", re.DOTALL)


def is_allowed(reply_to: str) -> bool:
    """Whether a reply may be sent there: a direct reply-to token of RabbitMQ, or a client's queue `reply.<anything>`.

    Anything else is refused, so that nobody makes a service write into another queue. A malformed token is refused
    because a broker before 4.2 closes the connection of whoever publishes to one; it takes the token apart as is
    checked here. <https://www.rabbitmq.com/docs/direct-reply-to>
    """
    if len(reply_to) > MAX_BYTES:
        return False
    if _CLIENT_QUEUE.fullmatch(reply_to):
        return True
    token = _DIRECT_REPLY.fullmatch(reply_to)
    return token is not None and _is_process_id(token[1])


def _is_process_id(encoded: str) -> bool:
    try:
        process_id = _PROCESS_ID.fullmatch(b64decode(encoded, validate=True))
    except binascii.Error:
        return False
    if process_id is None:
        return False
    length, name = (process_id[1], process_id[2]) if process_id[1] is not None else (process_id[3], process_id[4])
    return int.from_bytes(length) == len(name)
