import pytest

from shared.runtime.health import Health


def test_ready_when_every_check_is_fine() -> None:
    health = Health()
    health.add("postgres", lambda: None)
    assert health.ready
    assert health.report() == {"postgres": None}


def test_one_trouble_makes_it_unready_and_is_told() -> None:
    health = Health()
    health.add("postgres", lambda: None)
    health.add("rabbitmq", lambda: "no connection")
    assert not health.ready
    assert health.report() == {"postgres": None, "rabbitmq": "no connection"}


def test_a_check_that_raises_is_itself_the_trouble() -> None:
    def broken() -> str | None:
        raise RuntimeError("oops")

    health = Health()
    health.add("broken", broken)
    assert health.report() == {"broken": "the check itself failed: RuntimeError"}


def test_two_checks_of_one_name_are_refused() -> None:
    health = Health()
    health.add("postgres", lambda: None)
    with pytest.raises(ValueError, match="postgres"):
        health.add("postgres", lambda: None)
