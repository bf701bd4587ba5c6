"""1–13: envelopes that no client library sends, over a raw socket."""

import struct
import uuid
import zlib

from tests.hostile.case import Case, Meet
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice
from tests.support.raw_amqp import (
    CORRELATION_ID,
    HEADERS,
    MESSAGE_ID,
    PRIORITY,
    REPLY_TO,
    TIMESTAMP,
    TYPE,
    nested,
    short,
    table,
)

BURIED = "dead_letter_invalid_message"
BOMB = zlib.compress(b"\0" * 100_000_000, 9)  # 97 KB that would become 100 MB


def undecodable(flags: int, properties: bytes) -> Meet:
    """Nobody can be told: who asked can't be read."""

    async def meet(scene: Scene, key: str) -> str:
        await scene.send_raw(key, flags, properties)
        await scene.buried(key, "invalid_message")
        return "dead letter invalid_message"

    return meet


def without(property_: str) -> Meet:
    async def meet(scene: Scene, key: str) -> str:
        correlation_id = str(uuid.uuid4())
        absent = {"message_id": {"message_id": None}, "type": {"kind": None}}[property_]
        await scene.send(key, alice(key), correlation_id=correlation_id, **absent)
        await scene.rejected(correlation_id, "invalid_message")
        await scene.buried(key, "invalid_message")
        return "rejected invalid_message, dead letter"

    return meet


async def compressed(scene: Scene, key: str) -> str:
    command_id = await scene.send(key, BOMB, content_encoding="deflate")
    await scene.rejected(command_id, "invalid_message")
    await scene.buried(key, "invalid_message")
    return "rejected invalid_message, dead letter; never inflated"


async def highest_priority(scene: Scene, key: str) -> str:
    command_id = str(uuid.uuid4())
    properties = b"\xff" + b"".join(
        short(text.encode()) for text in (command_id, scene.reply_queue, command_id, "CreateUser")
    )
    flags = PRIORITY | CORRELATION_ID | REPLY_TO | MESSAGE_ID | TYPE
    await scene.send_raw(key, flags, properties, alice(key))
    await scene.accepted(command_id)
    return "accepted"


CASES = (
    Case(1, "timestamp 2^64-1", "raw property", BURIED, undecodable(TIMESTAMP, b"\xff" * 8)),
    Case(2, "timestamp 10^15", "raw property", BURIED, undecodable(TIMESTAMP, struct.pack(">Q", 10**15))),
    Case(3, "bad UTF-8 in correlation_id", "raw FF FE", BURIED, undecodable(CORRELATION_ID, short(b"\xff\xfe"))),
    Case(4, "bad UTF-8 in type", "raw 80", BURIED, undecodable(TYPE, short(b"Create\x80"))),
    Case(5, "bad UTF-8 in reply_to", "raw C3", BURIED, undecodable(REPLY_TO, short(b"reply.\xc3"))),
    Case(6, "bad UTF-8 in a header key", "raw FF", BURIED, undecodable(HEADERS, table(b"\x01\xffV"))),
    Case(7, "tables 2,000 deep", "raw headers", BURIED, undecodable(HEADERS, nested(b"F", 2000))),
    Case(8, "arrays 2,000 deep", "raw headers", BURIED, undecodable(HEADERS, nested(b"A", 2000))),
    Case(
        9,
        "header timestamp out of range",
        "raw headers",
        BURIED,
        undecodable(HEADERS, table(b"\x01kT" + b"\xff" * 8)),
    ),
    Case(10, "no message_id", "property left out", "rejected_invalid_message_dead_letter", without("message_id")),
    Case(11, "no type", "property left out", "rejected_invalid_message_dead_letter", without("type")),
    Case(12, "content_encoding deflate", "bomb of 100 MB", "rejected_invalid_message_dead_letter", compressed),
    Case(13, "priority 255", "raw property", "accepted", highest_priority),
)
