from datetime import UTC, datetime
from typing import Any

import pytest

from services.query.read_model import Document
from services.query.read_models.user_history import USER_HISTORY
from services.query.read_models.users import USERS
from services.query.rebuild.verdict import Verdict, verdict
from tests.unit.query.given_events import at, created, event, renamed

LOG = [created("alice"), renamed("alice", 2, "Al"), renamed("alice", 3, "Alice")]
AT_1 = {
    "_id": "alice",
    "version": 1,
    "name": "Alice",
    "name_key": "alice",
    "email": "alice@Example.com",
    "email_key": "alice@example.com",
    "status": "active",
    "created_at": at(1),
    "updated_at": at(1),
}
AT_2 = AT_1 | {"version": 2, "name": "Al", "name_key": "al", "updated_at": at(2)}
AT_3 = AT_2 | {"version": 3, "name": "Alice", "name_key": "alice", "updated_at": at(3)}


def judged(document: Document | None, *, events: Any = LOG, enough: int | None = None, final: bool = False) -> Verdict:
    return verdict(USERS, "alice", events, document, (), enough=enough, final=final)


def kinds(of: Verdict) -> list[str]:
    return [each.difference.kind for each in of.wrong]


def test_the_fold_of_the_log_is_right() -> None:
    assert judged(AT_3) == Verdict()


@pytest.mark.parametrize("document", [None, AT_1, AT_2])
def test_what_may_be_on_its_way_is_waited_for(document: Document | None) -> None:
    assert judged(document) == Verdict(waiting=True, newest=3)


def test_what_has_come_as_far_as_the_log_was_is_right_although_the_log_has_gone_on() -> None:
    assert judged(AT_2, enough=2) == Verdict()
    assert judged(AT_2, enough=3).waiting


@pytest.mark.parametrize(("document", "kind"), [(None, "missing"), (AT_2, "behind")])
def test_what_was_waited_for_long_enough_is_wrong(document: Document | None, kind: str) -> None:
    final = judged(document, final=True)

    assert kinds(final) == [kind]
    assert final.wrong[0].expected == AT_3


@pytest.mark.parametrize(
    "change",
    [{"name": "Mallory"}, {"version": 4}, {"version": "3"}, {"version": 3.0}, {"more": None}, {"version": 2}],
)
def test_what_is_the_fold_of_nothing_is_different_at_once(change: Document) -> None:
    assert kinds(judged(AT_3 | change)) == ["different"]


def test_a_field_that_is_missing_makes_a_difference() -> None:
    assert kinds(judged({key: value for key, value in AT_3.items() if key != "status"})) == ["different"]


def test_without_an_event_a_document_is_invented() -> None:
    assert kinds(judged(AT_1, events=[])) == ["invented"]
    assert judged(None, events=[]) == Verdict()


def test_what_can_not_be_projected_is_expected_as_far_as_it_can() -> None:
    broken = [*LOG[:2], event("UserRenamed", "alice", 3, new_name=7)]

    assert judged(AT_2, events=broken) == Verdict()
    assert kinds(judged(AT_3, events=broken)) == ["different"]


def test_a_document_that_is_behind_has_the_entries_of_its_version() -> None:
    document = {"_id": "alice", "version": 2, "updated_at": at(2)}
    entries = [{"_id": {"user_id": "alice", "version": number}} for number in (1, 2, 3)]

    judged_ = verdict(USER_HISTORY, "alice", LOG, document, entries, enough=2, final=False)

    assert [(each.difference.kind, each.difference.id) for each in judged_.wrong] == [
        ("different", "user_id=alice,version=1"),
        ("different", "user_id=alice,version=2"),
        ("invented", "user_id=alice,version=3"),
    ]


def test_the_time_zone_of_a_time_makes_no_difference() -> None:
    utc = datetime(2026, 1, 1, tzinfo=UTC)
    assert kinds(judged(AT_3 | {"updated_at": utc})) == ["different"]
    assert judged(AT_3 | {"updated_at": at(3).astimezone()}) == Verdict()
