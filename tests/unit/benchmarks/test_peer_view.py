"""What the peers write for an event: the same five read models as ours, with values written by hand."""

from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.peers.view import count, upserts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CREATED: dict[str, Any] = {
    "id": "e1",
    "type": "UserCreated",
    "aggregateid": "alice",
    "aggregateversion": 1,
    "time": NOON.isoformat(),
    "causationid": "c1",
    "data": {"user_id": "alice", "name": "Alice Liddell", "email": "Alice@example.com"},
}
MOVED: dict[str, Any] = CREATED | {
    "id": "e2",
    "type": "UserEmailUpdated",
    "aggregateversion": 2,
    "causationid": "c2",
    "data": {"user_id": "alice", "old_email": "Alice@example.com", "new_email": "al@example.org"},
}


def test_a_new_user_is_in_every_read_model() -> None:
    user, status, entry, history = upserts(CREATED)
    counted = count(CREATED)

    assert (user.collection, user.filter) == ("users", {"_id": "alice", "version": {"$lt": 1}})
    assert user.update["$set"] == {
        "name": "Alice Liddell",
        "name_key": "alice liddell",
        "email": "Alice@example.com",
        "email_key": "alice@example.com",
        "version": 1,
        "updated_at": NOON,
    }
    assert (status.collection, status.filter) == ("command_status", {"_id": "c1"})
    assert (entry.collection, entry.filter) == ("user_directory", {"_id": "alice", "version": {"$lt": 1}})
    assert entry.update["$set"]["name_words"] == ["alice", "liddell"]
    assert entry.update["$set"]["email_words"] == ["alice", "com", "example"]
    assert (history.collection, history.filter) == ("user_history", {"_id": "alice@0000000001"})
    assert counted is not None
    assert (counted.collection, counted.filter) == ("signup_stats", {"_id": "2026-11-22"})


def test_another_address_leaves_the_name_and_the_counters_alone() -> None:
    user, _, entry, history = upserts(MOVED)

    assert (user.update["$set"]["email"], "name" in user.update["$set"]) == ("al@example.org", False)
    assert (entry.update["$set"]["email_words"], "name_words" in entry.update["$set"]) == (
        ["al", "example", "org"],
        False,
    )
    assert history.filter == {"_id": "alice@0000000002"}
    assert count(MOVED) is None
