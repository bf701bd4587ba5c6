import pytest

from shared.messaging.arrival_rate import ArrivalRate


@pytest.mark.parametrize("rate", [50, 200, 2_000, 20_000])
def test_a_steady_rate_is_what_is_expected(rate: int) -> None:
    arrivals = ArrivalRate()
    for number in range(rate):
        arrivals.count(1, number / rate)

    assert arrivals.expected_within(1.0, 1.0) == pytest.approx(rate, rel=0.12)


def test_nothing_is_expected_before_anything_has_come_nor_long_after() -> None:
    arrivals = ArrivalRate()
    assert arrivals.expected_within(1.0, 5.0) == 0

    arrivals.count(1_000, 5.0)
    assert arrivals.expected_within(0.003, 5.0) > 10
    assert arrivals.expected_within(0.003, 6.0) < 0.01


def test_a_single_message_after_silence_announces_no_other() -> None:
    arrivals = ArrivalRate()
    arrivals.count(1, 5.0)

    assert arrivals.expected_within(0.003, 5.0) < 0.1


def test_the_faster_they_come_the_longer_one_waits_up_to_a_limit() -> None:
    few, more, many = (ArrivalRate() for _ in range(3))
    for arrivals, number in ((few, 1), (more, 10), (many, 1_000)):
        arrivals.count(number, 5.0)

    assert 0 < few.worth_waiting(0.1, 5.0) < more.worth_waiting(0.1, 5.0) < many.worth_waiting(0.1, 5.0) == 0.1
    assert few.worth_waiting(0.1, 7.0) < 0.001


def test_waiting_may_grow_more_gently_than_the_rate() -> None:
    arrivals = ArrivalRate(busy=200.0, power=0.5)
    for number in range(50):
        arrivals.count(1, number / 50)

    assert 0.045 < arrivals.worth_waiting(0.1, 1.0) < 0.055
