"""14–20: what the broker refuses, by closing the sender's channel or connection. The services must not notice.

A later broker may take one of them as it is: then it must be a command like any other.
"""

import struct
import uuid

from tests.hostile.case import Case, Meet
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice
from tests.support.raw_amqp import DELIVERY_MODE, EXPIRATION, HEADERS, MESSAGE_ID, TYPE, USER_ID, short, table

REFUSED = "refused_by_the_broker"
PRECONDITION = "PRECONDITION_FAILED"
OVER_THE_LIMIT = 16 * 1024 * 1024 + 1


def refused(flag: int, value: bytes, body: bytes | None = None) -> Meet:
    async def meet(scene: Scene, key: str) -> str:
        command_id = str(uuid.uuid4())
        identity = (short(command_id.encode()), short(b"CreateUser"))
        in_order = (*identity, value) if flag == USER_ID else (value, *identity)
        try:
            await scene.send_raw(key, flag | MESSAGE_ID | TYPE, b"".join(in_order), body or alice(key))
        except ConnectionError as refusal:
            assert await scene.events_of(key) == 0
            return f"refused: {PRECONDITION}" if PRECONDITION in str(refusal) else "refused: connection closed"
        assert flag == DELIVERY_MODE, "the broker took it"
        assert (await scene.recorded(command_id))["status"] == "accepted"
        return "taken by this broker as it is: accepted"

    return meet


CASES = (
    Case(14, "delivery_mode 0", "raw property", REFUSED, refused(DELIVERY_MODE, b"\x00")),
    Case(15, "delivery_mode 3", "raw property", REFUSED, refused(DELIVERY_MODE, b"\x03")),
    Case(16, "expiration abc", "raw property", REFUSED, refused(EXPIRATION, short(b"abc"))),
    Case(17, "expiration too large", "20 digits", REFUSED, refused(EXPIRATION, short(b"9" * 20))),
    Case(18, "forged user_id", "raw property", REFUSED, refused(USER_ID, short(b"somebody-else"))),
    Case(
        19,
        "CC header that is no list",
        "raw headers",
        REFUSED,
        refused(HEADERS, table(b"\x02CCS" + struct.pack(">I", 1) + b"x")),
    ),
    Case(
        20,
        "body above the broker's limit",
        "16 MiB + 1",
        REFUSED,
        refused(EXPIRATION, short(b"60000"), b"x" * OVER_THE_LIMIT),
    ),
)
