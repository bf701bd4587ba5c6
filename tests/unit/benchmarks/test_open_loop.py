"""The open loop keeps its schedule whatever becomes of what it sent, and counts from when each message was due."""

import asyncio
from collections.abc import Sequence

from tests.benchmarks.open_loop import due_times, latencies, send_on_schedule


def test_messages_are_due_at_even_distances() -> None:
    assert due_times(10.0, 4.0, 5) == [10.0, 10.25, 10.5, 10.75, 11.0]


def test_a_stall_shows_in_every_message_that_was_due_during_it() -> None:
    # One a second; the system stands still from 1 to 4 and then shows all that had been held up.
    due = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0, "e": 4.0}
    seen = {"a": 0.1, "b": 4.1, "c": 4.1, "d": 4.1, "e": 4.1}
    assert [round(each, 3) for each in latencies(due, seen, 10.0)] == [0.1, 3.1, 2.1, 1.1, 0.1]


def test_what_never_arrives_counts_until_the_end() -> None:
    assert latencies({"lost": 1.0}, {}, 31.0) == [30.0]


def test_what_arrived_without_being_asked_for_does_not_count() -> None:
    assert latencies({"a": 1.0}, {"a": 1.5, "from the warm-up": 1.1}, 9.0) == [0.5]


class HeldUpClock:
    """A sender that is held up for half a second once: what was due meanwhile goes out at once, nothing is left out."""

    def __init__(self) -> None:
        self.times = iter([0.0, 0.1, 0.6, 0.6])
        self.now = 0.0

    def __call__(self) -> float:
        self.now = next(self.times, self.now + 0.05)
        return self.now


async def test_a_sender_that_was_held_up_catches_up_and_sends_nothing_early() -> None:
    due = due_times(0.0, 10.0, 10)
    clock = HeldUpClock()
    writes: list[tuple[float, list[bytes]]] = []

    def write(frames: Sequence[bytes]) -> None:
        writes.append((clock.now, list(frames)))

    async with asyncio.timeout(10):
        await send_on_schedule(write, [bytes([number]) for number in range(10)], due, clock)
    assert b"".join(frame for _, frames in writes for frame in frames) == bytes(range(10))
    assert writes[:3] == [(0.0, [b"\x00"]), (0.1, [b"\x01"]), (0.6, [b"\x02", b"\x03", b"\x04", b"\x05", b"\x06"])]
    assert all(due[frame[0]] <= time for time, frames in writes for frame in frames)
