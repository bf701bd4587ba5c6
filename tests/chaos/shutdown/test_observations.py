from pathlib import Path

from tests.chaos.shutdown.observations import ACKED, TAKEN, Observation, counted, done_twice, observations

ONE = ("commands.3", "one")


def test_what_comes_again_after_it_was_given_back_is_not_done_twice() -> None:
    seen = [
        Observation(1.0, TAKEN, *ONE, False),
        Observation(2.0, TAKEN, *ONE, True),
        Observation(3.0, ACKED, *ONE, True),
    ]

    assert list(done_twice(seen)) == []
    assert counted(seen) == {TAKEN: 2, ACKED: 1, "given back": 1}


def test_what_comes_again_after_it_was_acknowledged_is_named() -> None:
    seen = [
        Observation(1.0, TAKEN, *ONE, False),
        Observation(2.0, ACKED, *ONE, False),
        Observation(3.0, TAKEN, *ONE, True),
    ]

    assert list(done_twice(seen)) == ["commands.3 one"]


def test_another_queue_s_copy_of_a_message_is_another_delivery() -> None:
    seen = [Observation(1.0, ACKED, *ONE, False), Observation(2.0, TAKEN, "projections.folded", "one", True)]

    assert list(done_twice(seen)) == []


def test_what_several_processes_wrote_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    first, second, third = (Observation(at, TAKEN, "queries", "id", False) for at in (1.0, 2.0, 3.0))
    (tmp_path / "a.jsonl").write_text(first.line + third.line)
    (tmp_path / "b.jsonl").write_text(second.line)

    assert observations(tmp_path) == [first, second, third]
