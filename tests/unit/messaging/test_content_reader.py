"""The fast path reads what pamqp reads, however the stream of bytes is cut."""

import asyncio
from dataclasses import replace
from typing import Any, TypeAlias

from aiormq.abc import DeliveredMessage
from hypothesis import HealthCheck, given, settings
from pamqp import body, commands, frame, header

from shared.messaging.content_reader import ContentReader
from shared.messaging.deliveries import delivery_of
from shared.messaging.envelope import Delivery
from shared.messaging.transport import FrameGuard
from tests.unit.messaging.amqp_messages import channel_frames, heartbeats, streams

HOT, ALSO_HOT, OTHER = 1, 2, 3
QUEUES = {b"one": "queue one", b"two": "queue two"}
SESSION = 7
Event: TypeAlias = tuple[str, Any]


class Heard:
    """What a listener has heard: deliveries in their order, returns and confirms in theirs."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: list[Event] = []

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        self.deliveries.extend(map(timeless, deliveries))

    def on_return(self, message: Delivery) -> None:
        self.answers.append(("return", timeless(message)))

    def on_confirm(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        self.answers.append(("confirm", (tag, multiple, accepted)))

    def all(self) -> tuple[list[Delivery], list[Event]]:
        return self.deliveries, self.answers


def timeless(delivery: Delivery) -> Delivery:
    return replace(delivery, received_at=0.0)


def read(pieces: list[bytes]) -> tuple[list[Any], bytes]:
    """What the listeners of both hot channels hear, and what is left to aiormq."""
    loop = asyncio.new_event_loop()
    loop.time = lambda: 0.0  # type: ignore[method-assign]  # no signs of life among the frames
    try:
        reader = asyncio.StreamReader(loop=loop)
        guard = FrameGuard(reader, loop=loop)
        listeners = {HOT: Heard(), ALSO_HOT: Heard()}
        for channel, listener in listeners.items():
            contents = ContentReader(listener, QUEUES)
            contents.session = SESSION
            guard.takers[channel] = contents
        for piece in pieces:
            guard.data_received(piece)
        reader.feed_eof()
        return [listener.all() for listener in listeners.values()], loop.run_until_complete(reader.read())
    finally:
        loop.close()


def as_pamqp_reads(frames: list[bytes]) -> tuple[list[Any], bytes]:
    """The same by pamqp, a frame at a time, as the plain path does it."""
    loop = asyncio.new_event_loop()
    try:
        reader = asyncio.StreamReader(loop=loop)
        guard = FrameGuard(reader, loop=loop)
        guard.data_received(b"".join(frames))
        reader.feed_eof()
        readable = loop.run_until_complete(reader.read())
    finally:
        loop.close()
    listeners = {HOT: Heard(), ALSO_HOT: Heard()}
    arriving: dict[int, Any] = {}
    left = b""
    while readable:
        size, channel, decoded = frame.unmarshal(readable)
        raw, readable = readable[:size], readable[size:]
        heard = listeners.get(channel)
        if heard is None:
            left += raw
        elif isinstance(decoded, commands.Basic.Deliver | commands.Basic.Return):
            arriving[channel] = (decoded, None, b"")
        elif isinstance(decoded, commands.Basic.Ack | commands.Basic.Nack):
            accepted = isinstance(decoded, commands.Basic.Ack)
            heard.on_confirm(decoded.delivery_tag or 0, multiple=bool(decoded.multiple), accepted=accepted)
        elif channel in arriving:
            method, content_header, payload = arriving[channel]
            if isinstance(decoded, header.ContentHeader):
                content_header = decoded
            elif isinstance(decoded, body.ContentBody):
                payload += decoded.value
            arriving[channel] = (method, content_header, payload)
            if len(payload) == content_header.body_size:
                _tell(heard, method, content_header, payload)
                del arriving[channel]
        else:
            left += raw
    return [heard.all() for heard in listeners.values()], left


def _tell(heard: Heard, method: Any, content_header: header.ContentHeader, payload: bytes) -> None:
    channel: Any = None
    message = DeliveredMessage(delivery=method, header=content_header, body=payload, channel=channel)
    if isinstance(method, commands.Basic.Return):
        heard.on_return(delivery_of(message))
    else:
        queue = QUEUES[(method.consumer_tag or "").encode()]
        heard.on_deliveries([delivery_of(message, queue=queue, session=SESSION)])


whatever_comes = streams(channel_frames(HOT), channel_frames(ALSO_HOT), channel_frames(OTHER), heartbeats)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(whatever_comes)
def test_however_the_stream_is_cut_it_reads_what_pamqp_reads(stream: tuple[list[bytes], list[bytes]]) -> None:
    frames, pieces = stream

    assert read(pieces) == as_pamqp_reads(frames)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(whatever_comes)
def test_a_byte_at_a_time(stream: tuple[list[bytes], list[bytes]]) -> None:
    frames, _ = stream

    assert read([bytes((byte,)) for byte in b"".join(frames)]) == read([b"".join(frames)])
