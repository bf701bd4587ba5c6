"""Bad inputs 1-13, sent over a raw socket:

each arrives alone as undecodable, between good messages, on a connection that lives.
"""

import struct

import pytest

from tests.integration.messaging.stages import RabbitStage, message, take
from tests.support.raw_amqp import (
    CORRELATION_ID,
    HEADERS,
    MESSAGE_ID,
    PRIORITY,
    REPLY_TO,
    TIMESTAMP,
    TYPE,
    USER_ID,
    RawPublisher,
    nested,
    short,
    table,
)

UNDECODABLE = {
    "1 timestamp 2^64-1": (MESSAGE_ID | TIMESTAMP, short(b"m") + b"\xff" * 8),
    "2 timestamp 10^15": (MESSAGE_ID | TIMESTAMP, short(b"m") + struct.pack(">Q", 10**15)),
    "3 bad UTF-8 in correlation_id": (CORRELATION_ID, short(b"\xff\xfe")),
    "4 in type": (TYPE, short(b"Create\x80")),
    "5 in reply_to": (REPLY_TO, short(b"reply.\xc3")),
    "6 in a header key": (HEADERS, table(b"\x01\xffV")),
    "7 tables 2,000 deep": (HEADERS, nested(b"F", 2000)),
    "8 arrays 2,000 deep": (HEADERS, nested(b"A", 2000)),
    "9 a header timestamp far out of range": (HEADERS, table(b"\x01kT" + b"\xff" * 8)),
}


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
async def test_only_the_hostile_message_is_undecodable(rabbit: RabbitStage, queue_type: str) -> None:
    await rabbit.declare_queue("q", queue_type)
    async with (
        rabbit.publisher() as publisher,
        RawPublisher(rabbit.url) as raw,
        rabbit.consumer(["q"]) as consumer,
    ):
        for flags, properties in UNDECODABLE.values():
            await publisher.publish([message(1)])
            await raw.publish("", b"q", flags, properties, b"{}")
        await publisher.publish([message(2)])
        taken = await take(consumer, 2 * len(UNDECODABLE) + 1)

    assert len({delivery.session for delivery in taken}) == 1
    good, hostile = taken[::2], taken[1::2]
    assert [delivery.undecodable for delivery in good] == [None] * len(good)
    assert [delivery.message_id for delivery in good] == ["m-1"] * len(UNDECODABLE) + ["m-2"]
    for name, delivery in zip(UNDECODABLE, hostile, strict=True):
        assert delivery.undecodable, name
        assert (delivery.type, delivery.message_id, dict(delivery.headers)) == (None, None, {}), name
        assert delivery.body == b"{}", name


async def test_a_routing_key_that_is_not_utf8_harms_only_its_message(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    await rabbit.bind_everything("q", "anything")
    async with rabbit.publisher() as publisher, RawPublisher(rabbit.url) as raw, rabbit.consumer(["q"]) as consumer:
        await raw.publish("anything", b"al\xffice", MESSAGE_ID, short(b"m"), b"{}")
        await publisher.publish([message(2)])
        hostile, good = await take(consumer, 2)

    assert hostile.undecodable == "the routing key is not UTF-8"
    assert hostile.routing_key == "al?ice"
    assert (good.message_id, good.undecodable) == ("m-2", None)


async def test_a_priority_of_255_is_ignored(rabbit: RabbitStage) -> None:
    await rabbit.declare_queue("q")
    async with RawPublisher(rabbit.url) as raw, rabbit.consumer(["q"]) as consumer:
        await raw.publish("", b"q", PRIORITY | MESSAGE_ID, b"\xff" + short(b"m"), b"13")
        [delivery] = await take(consumer, 1)

    assert (delivery.undecodable, delivery.message_id) == (None, "m")


REFUSED_BY_THE_BROKER = {
    "16 expiration abc": (0x0100, short(b"abc")),
    "17 expiration too large": (0x0100, short(b"99999999999999999999")),
    "18 forged user_id": (USER_ID, short(b"somebody-else")),
    "19 CC header that is no list": (HEADERS, table(b"\x02CCS" + struct.pack(">I", 1) + b"x")),
}


@pytest.mark.parametrize(("flags", "properties"), REFUSED_BY_THE_BROKER.values(), ids=REFUSED_BY_THE_BROKER.keys())
async def test_what_the_broker_refuses_is_not_noticed(rabbit: RabbitStage, flags: int, properties: bytes) -> None:
    await rabbit.declare_queue("q")
    async with rabbit.publisher() as publisher, rabbit.consumer(["q"]) as consumer:
        with pytest.raises(ConnectionError):
            async with RawPublisher(rabbit.url) as raw:
                await raw.publish("", b"q", flags, properties, b"{}")
        await publisher.publish([message(1)])
        [delivery] = await take(consumer, 1)

    assert delivery.message_id == "m-1"
