from shared.messaging.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.1, longest=5.0, jitter=0.25)

    delays = [round(backoff.delay(attempt, chance=0.5), 3) for attempt in (1, 2, 3, 6, 7, 100, 1_000_000)]

    assert delays == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0, 5.0]


def test_jitter_spreads_but_never_beyond_the_longest() -> None:
    backoff = Backoff(first=1.0, longest=5.0, jitter=0.25)

    assert backoff.delay(1, chance=0.0) == 0.75
    assert backoff.delay(1, chance=0.999999) > 1.24
    assert backoff.delay(9, chance=0.999999) == 5.0
