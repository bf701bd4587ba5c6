"""What becomes of the messages on the queue `dead-letters`."""

from functools import partial
from typing import Any

from services.command.bootstrap import command_bus
from services.command.pipeline.arrivals import CommandExpired, Unprocessable
from services.command.pipeline.dead_letter_reception import receive_dead_letter
from tests.unit.command.deliveries import ALICE, SOME_ID, delivery

receive = partial(receive_dead_letter, command_bus())


def death(reason: str, queue: str = "commands.3", exchange: str = "commands") -> dict[str, Any]:
    return {
        "x-death": [{"reason": reason, "queue": queue, "exchange": exchange, "routing-keys": ["alice"], "count": 1}]
    }


def test_a_command_whose_time_ran_out_is_expired() -> None:
    arrival = receive(delivery(queue="dead-letters", headers=death("expired"), message_id=str(SOME_ID)))
    assert isinstance(arrival, CommandExpired)
    assert (arrival.command_id, arrival.type) == (SOME_ID, "CreateUser")


def test_an_expired_message_that_could_never_have_worked_is_a_dead_letter_for_that_reason() -> None:
    arrival = receive(delivery(b"not json", queue="dead-letters", headers=death("expired")))
    assert isinstance(arrival, Unprocessable)
    assert (arrival.letter.reason, arrival.letter.queue) == ("invalid_message", "commands.3")


def test_what_the_broker_gave_up_on_is_a_dead_letter_without_an_outcome() -> None:
    arrival = receive(delivery(queue="dead-letters", exchange="dead-letters", headers=death("delivery_limit")))
    assert isinstance(arrival, Unprocessable)
    assert arrival.rejected is None
    letter = arrival.letter
    assert (letter.reason, letter.queue, letter.exchange, letter.routing_key) == (
        "delivery_limit",
        "commands.3",
        "commands",
        "alice",
    )


def test_an_expired_event_is_no_expired_command() -> None:
    arrival = receive(delivery(ALICE, headers=death("expired", "projections.users", "events")))
    assert isinstance(arrival, Unprocessable)
    assert (arrival.letter.reason, arrival.letter.queue) == ("expired", "projections.users")


def test_what_another_service_sends_keeps_the_reason_it_came_with() -> None:
    headers = {
        "dead-letter-reason": "undecodable",
        "dead-letter-detail": "body is not JSON",
        "dead-letter-queue": "projections.users",
    }
    arrival = receive(delivery(queue="dead-letters", headers=headers))
    assert isinstance(arrival, Unprocessable)
    letter = arrival.letter
    assert (letter.reason, letter.detail, letter.queue) == ("undecodable", "body is not JSON", "projections.users")


def test_a_message_without_any_reason_is_a_dead_letter_all_the_same() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"x-death": "odd"},
        {"x-death": []},
        {"x-death": [{"reason": 3, "queue": b"\xff"}]},
    ]
    for headers in odd:
        arrival = receive(delivery(queue="dead-letters", headers=headers))
        assert isinstance(arrival, Unprocessable)
        assert arrival.letter.reason == "unknown"
