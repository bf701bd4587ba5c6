from shared.messaging.envelope import Envelope
from shared.messaging.in_flight import InFlight, PublishedBatch
from shared.messaging.ports import PublishFailure

REFUSED, UNCONFIRMED, UNROUTABLE = PublishFailure.REFUSED, PublishFailure.UNCONFIRMED, PublishFailure.UNROUTABLE


def published(in_flight: InFlight, *keys: str, message_id: str | None = None) -> PublishedBatch:
    batch = PublishedBatch(
        [Envelope(exchange="e", routing_key=key, type="T", body=b"", message_id=message_id) for key in keys]
    )
    in_flight.add(batch, range(len(keys)))
    return batch


def test_each_confirm_settles_its_own_message() -> None:
    in_flight = InFlight()
    batch = published(in_flight, "a", "b", "c")

    in_flight.confirm(3, multiple=False, accepted=True)
    in_flight.confirm(1, multiple=False, accepted=False)

    assert batch.results == [REFUSED, UNCONFIRMED, None]
    assert not batch.done.is_set()
    in_flight.confirm(2, multiple=False, accepted=True)
    assert batch.done.is_set()


def test_a_multiple_confirm_settles_all_before_it_across_batches() -> None:
    in_flight = InFlight()
    first, second = published(in_flight, "a", "b"), published(in_flight, "c", "d")

    in_flight.confirm(3, multiple=True, accepted=True)

    assert (first.results, second.results) == ([None, None], [None, UNCONFIRMED])


def test_a_returned_message_stays_unroutable_when_it_is_confirmed() -> None:
    in_flight = InFlight()
    batch = published(in_flight, "a", "b")

    in_flight.returned((None, "e", "b"))
    in_flight.confirm(2, multiple=True, accepted=True)

    assert batch.results == [None, UNROUTABLE]


def test_messages_with_one_id_are_told_apart_by_where_they_go() -> None:
    in_flight = InFlight()
    batch = published(in_flight, "routed", "nowhere", "routed", message_id="same")

    in_flight.returned(("same", "e", "nowhere"))
    in_flight.confirm(3, multiple=True, accepted=True)

    assert batch.results == [None, UNROUTABLE, None]


def test_as_many_are_unroutable_as_came_back() -> None:
    in_flight = InFlight()
    first, second = published(in_flight, "x", "x", message_id="same"), published(in_flight, "x", message_id="same")

    for _ in range(3):
        in_flight.returned(("same", "e", "x"))
    in_flight.confirm(3, multiple=True, accepted=True)

    assert first.results + second.results == [UNROUTABLE] * 3


def test_a_lost_channel_leaves_the_rest_unconfirmed_and_counts_from_one_again() -> None:
    in_flight = InFlight()
    old = published(in_flight, "a", "b")
    in_flight.confirm(1, multiple=False, accepted=True)

    in_flight.reset()
    new = published(in_flight, "c")
    in_flight.confirm(1, multiple=False, accepted=True)

    assert old.done.is_set()
    assert old.results == [None, UNCONFIRMED]
    assert new.results == [None]


def test_what_was_given_up_can_not_be_confirmed_any_more() -> None:
    in_flight = InFlight()
    batch = published(in_flight, "a")

    in_flight.forget(batch)
    in_flight.confirm(1, multiple=False, accepted=True)

    assert batch.results == [UNCONFIRMED]
    assert len(in_flight) == 0
