"""Strategies for what a broker may send: properties, bodies, and streams of frames cut anywhere."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from pamqp import body, commands, frame, header

FRAME_SIZE = 64
"""Small, so that bodies take several frames."""

names = st.text(max_size=12)
times = st.datetimes(datetime(1970, 1, 1), datetime(2105, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
plain_values = (
    st.text(max_size=20)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.none()
    | st.binary(max_size=8).map(bytearray)
    | times
    | st.integers(-(2**31), 2**31 - 1).map(lambda number: Decimal(number) / 100 if abs(number) < 2**20 else Decimal(1))
    | st.floats(width=32, allow_nan=False)
)
values = st.recursive(
    plain_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
tables = st.dictionaries(st.text(max_size=12) | st.just("x-undecodable"), values, max_size=4)
usual_tables = st.dictionaries(names, st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans())


def _or_none(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


properties = st.builds(
    commands.Basic.Properties,
    content_type=_or_none(names),
    content_encoding=_or_none(names),
    headers=_or_none(usual_tables | tables),
    delivery_mode=_or_none(st.sampled_from([1, 2])),
    priority=_or_none(st.integers(0, 255)),
    correlation_id=_or_none(names),
    reply_to=_or_none(names),
    expiration=_or_none(names),
    message_id=_or_none(names),
    timestamp=_or_none(times),
    message_type=_or_none(names),
    user_id=_or_none(names),
    app_id=_or_none(names),
)


def content(
    method: commands.Basic.Deliver | commands.Basic.Return,
    message: commands.Basic.Properties,
    payload: bytes,
    channel: int,
) -> list[bytes]:
    """The frames of a message that arrives."""
    pieces = [payload[start : start + FRAME_SIZE] for start in range(0, len(payload), FRAME_SIZE)]
    parts = [method, header.ContentHeader(body_size=len(payload), properties=message), *map(body.ContentBody, pieces)]
    return [frame.marshal(part, channel) for part in parts]


def deliveries(channel: int) -> st.SearchStrategy[list[bytes]]:
    methods = st.builds(
        commands.Basic.Deliver,
        consumer_tag=st.sampled_from(["one", "two"]),
        delivery_tag=st.integers(1, 2**63 - 1),
        redelivered=st.booleans(),
        exchange=st.sampled_from(["", "events"]),
        routing_key=names,
    )
    return st.builds(content, methods, properties, st.binary(max_size=4 * FRAME_SIZE), st.just(channel))


def returns(channel: int) -> st.SearchStrategy[list[bytes]]:
    methods = st.builds(
        commands.Basic.Return,
        reply_code=st.just(312),
        reply_text=st.just("NO_ROUTE"),
        exchange=st.sampled_from(["", "events"]),
        routing_key=names,
    )
    return st.builds(content, methods, properties, st.binary(max_size=FRAME_SIZE), st.just(channel))


def confirms(channel: int) -> st.SearchStrategy[list[bytes]]:
    tags = st.integers(1, 2**63 - 1)
    methods = st.builds(commands.Basic.Ack, tags, st.booleans()) | st.builds(
        commands.Basic.Nack, tags, st.booleans(), st.booleans()
    )
    return methods.map(lambda method: [frame.marshal(method, channel)])


def others(channel: int) -> st.SearchStrategy[list[bytes]]:
    """What is aiormq's."""
    methods = st.builds(commands.Basic.ConsumeOk, consumer_tag=st.just("one")) | st.builds(
        commands.Basic.Cancel, consumer_tag=st.just("two"), nowait=st.booleans()
    )
    return methods.map(lambda method: [frame.marshal(method, channel)])


heartbeats = st.lists(st.just(b"\x08\x00\x00\x00\x00\x00\x00\xce"), max_size=3)


def channel_frames(channel: int) -> st.SearchStrategy[list[bytes]]:
    """What one channel gets, in order."""
    steps = deliveries(channel) | returns(channel) | confirms(channel) | others(channel)
    return st.lists(steps, max_size=5).map(lambda steps: [each for step in steps for each in step])


@st.composite
def streams(draw: st.DrawFn, *sources: st.SearchStrategy[list[bytes]]) -> tuple[list[bytes], list[bytes]]:
    """Frames of several channels, each in its own order, mixed; and the same bytes in pieces cut at any positions."""
    waiting = draw(st.tuples(*sources))
    turns = draw(st.lists(st.integers(0, len(sources) - 1), max_size=30))
    taken = [0] * len(sources)
    mixed = []
    for source in [*turns, *(source for source, frames in enumerate(waiting) for _ in frames)]:
        if taken[source] < len(waiting[source]):
            mixed.append(waiting[source][taken[source]])
            taken[source] += 1
    stream = b"".join(mixed)
    at = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return mixed, [stream[start:end] for start, end in zip([0, *at], [*at, len(stream)], strict=True)]
