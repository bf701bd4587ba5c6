"""What an empty read side is told: everything, some of it twice, each aggregate's events in their order."""

import json
from dataclasses import replace

from tests.chaos.oracle.replay import replay, without_a_time
from tests.support.oracle import Stored
from tests.unit.chaos.states import CREATE, LATER, LEAVE, POISON, RENAME, SAME_NAME, event, stored


def many() -> Stored:
    held = stored()
    log = {"ann": held.events["ann"]}
    for number in range(30):
        user_id = f"user-{number}"
        log[user_id] = [
            event(version, "UserRenamed", f"{user_id}-{version}", LATER) | {"aggregate_id": user_id}
            for version in range(1, 5)
        ]
    return replace(held, events=log)


def test_each_aggregate_keeps_its_order_while_others_come_in_between() -> None:
    messages = [message for message in replay(many(), {}, seed=1) if message.exchange == "events"]
    first: dict[str, list[int]] = {}
    for message in messages:
        document = json.loads(message.body)
        seen = first.setdefault(document["aggregateid"], [])
        if document["aggregateversion"] not in seen:
            seen.append(document["aggregateversion"])

    assert first.keys() == many().events.keys()
    assert all(seen == sorted(seen) for seen in first.values())
    orders = [message.order for message in messages]
    assert orders != sorted(orders, key=orders.index), "nobody's events come all together"


def test_some_come_twice_and_the_seed_says_which() -> None:
    messages = replay(many(), {}, seed=1)

    assert len(messages) > len({message.message_id for message in messages})
    assert messages == replay(many(), {}, seed=1) != replay(many(), {}, seed=2)


def test_every_outcome_is_told_at_the_time_of_its_event() -> None:
    told = {
        message.order: json.loads(message.body)
        for message in replay(stored(), {POISON: "unknown_type"}, seed=1)
        if message.exchange == "outcomes"
    }

    assert {key: body["outcomes"][0]["status"] for key, body in told.items()} == {
        **dict.fromkeys((CREATE, RENAME, SAME_NAME, LEAVE), "accepted"),
        POISON: "rejected",
    }
    assert (told[CREATE]["time"], told[CREATE]["position"]) == ("2026-01-31T23:59:59.123456Z", 1)
    assert told[SAME_NAME]["position"] is None
    assert without_a_time(stored(), {POISON: "unknown_type"}) == {SAME_NAME, POISON}
