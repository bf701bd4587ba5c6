import struct

from shared.messaging.outstanding import Outstanding

CHANNEL = 7


def outstanding(*tags: int) -> Outstanding:
    tracked = Outstanding()
    for tag in tags:
        tracked.add(tag)
    return tracked


def acks(frames: bytes) -> list[tuple[int, bool]]:
    """(tag, multiple) of each basic.ack."""
    found = []
    for start in range(0, len(frames), 21):
        kind, channel, size, class_id, method, tag, flags, end = struct.unpack(">BHIHHQBB", frames[start : start + 21])
        assert (kind, channel, size, class_id, method, end) == (1, CHANNEL, 13, 60, 80, 0xCE)
        found.append((tag, bool(flags)))
    return found


def test_all_at_once_is_one_frame() -> None:
    assert acks(outstanding(1, 2, 3).ack(CHANNEL, [3, 1, 2])) == [(3, True)]


def test_a_complete_beginning_is_one_frame_and_the_rest_single() -> None:
    assert acks(outstanding(1, 2, 3, 4, 5).ack(CHANNEL, [1, 2, 4])) == [(2, True), (4, False)]


def test_nothing_older_that_is_waiting_is_ever_acknowledged() -> None:
    tracked = outstanding(1, 2, 3)

    assert acks(tracked.ack(CHANNEL, [2, 3])) == [(2, False), (3, False)]
    assert acks(tracked.ack(CHANNEL, [1])) == [(1, True)]
    assert len(tracked) == 0


def test_what_is_settled_or_unknown_is_skipped() -> None:
    tracked = outstanding(1, 2)
    tracked.ack(CHANNEL, [1])

    assert tracked.ack(CHANNEL, [1, 99]) == b""
    assert tracked.requeue(CHANNEL, [1]) == b""
    assert acks(tracked.ack(CHANNEL, [2, 2])) == [(2, True)]


def test_later_tags_are_acknowledged_together_once_the_earlier_are_requeued() -> None:
    tracked = outstanding(1, 2, 3)
    requeued = tracked.requeue(CHANNEL, [1])

    assert struct.unpack(">BHIHHQBB", requeued)[4:7] == (120, 1, 2)
    assert acks(tracked.ack(CHANNEL, [2, 3])) == [(3, True)]
