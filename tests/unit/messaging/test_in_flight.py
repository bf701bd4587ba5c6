from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.envelope import Envelope
from shared.messaging.in_flight import InFlight
from shared.messaging.ports import PublishFailure
from shared.messaging.published_batch import PublishedBatch

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


def test_confirms_in_any_order_and_more_than_once_settle_each_message_once() -> None:
    in_flight = InFlight()
    first, second = published(in_flight, "a", "b", "c"), published(in_flight, "d", "e")

    in_flight.confirm(2, multiple=False, accepted=False)
    in_flight.confirm(2, multiple=False, accepted=True)
    in_flight.confirm(5, multiple=False, accepted=True)
    in_flight.confirm(4, multiple=True, accepted=True)
    in_flight.confirm(4, multiple=True, accepted=False)

    assert (first.results, second.results) == ([None, REFUSED, None], [None, None])
    assert first.done.is_set()
    assert second.done.is_set()
    assert len(in_flight) == 0


def test_batches_that_are_written_in_turns_keep_their_own_words() -> None:
    in_flight = InFlight()
    envelopes = [Envelope(exchange="e", routing_key=str(number), type="T", body=b"") for number in range(4)]
    first, second = PublishedBatch(envelopes), PublishedBatch(envelopes)
    for batch, indexes in ((first, range(2)), (second, range(2)), (first, range(2, 4)), (second, range(2, 4))):
        in_flight.add(batch, indexes)

    in_flight.returned((None, "e", "3"))
    in_flight.confirm(3, multiple=True, accepted=True)
    in_flight.confirm(5, multiple=True, accepted=False)
    in_flight.confirm(6, multiple=True, accepted=True)

    assert first.results == [None, None, REFUSED, UNROUTABLE]
    assert second.results == [None, REFUSED, UNCONFIRMED, UNCONFIRMED]
    assert first.done.is_set()
    assert not second.done.is_set()


def test_batches_sent_later_are_confirmed_while_an_earlier_one_is_given_up() -> None:
    in_flight = InFlight()
    lost, kept = published(in_flight, "a", "b"), published(in_flight, "c")

    in_flight.forget(lost)
    in_flight.confirm(3, multiple=True, accepted=True)

    assert lost.results == [UNCONFIRMED, UNCONFIRMED]
    assert kept.results == [None]


@given(st.data())
def test_whatever_the_broker_says_each_message_has_the_first_word_about_it(data: st.DataObject) -> None:
    in_flight = InFlight()
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    batches = [published(in_flight, *"abcde"[:size]) for size in sizes]
    total = sum(sizes)
    expected: dict[int, PublishFailure | None] = {}
    for tag, multiple, accepted in data.draw(
        st.lists(st.tuples(st.integers(1, total + 1), st.booleans(), st.booleans()), max_size=12)
    ):
        in_flight.confirm(tag, multiple=multiple, accepted=accepted)
        for number in range(1 if multiple else tag, min(tag, total) + 1):
            expected.setdefault(number, None if accepted else REFUSED)

    results = [result for batch in batches for result in batch.results]
    assert results == [expected.get(number, UNCONFIRMED) for number in range(1, total + 1)]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    for batch, start, size in zip(batches, starts, sizes, strict=True):
        assert batch.done.is_set() == all(number in expected for number in range(start + 1, start + size + 1))
