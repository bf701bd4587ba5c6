from functools import reduce

import pytest

from services.query.domain_event import DomainEvent
from services.query.read_model import Document
from services.query.read_models.users import USERS
from services.query.read_models.users.projection import name_key, project
from tests.unit.query.given_events import at, created, deactivated, email_updated, reactivated, renamed

ALICE: Document = {
    "name": "Alice",
    "name_key": "alice",
    "email": "Alice@Example.com",
    "email_key": "alice@example.com",
    "status": "active",
    "created_at": at(1),
    "updated_at": at(1),
}


def test_a_created_user_is_active() -> None:
    assert project(None, created("alice", email="Alice@Example.com")) == ALICE


def test_a_new_email_changes_the_address_and_its_key() -> None:
    after = project(ALICE, email_updated("alice", 2, "Al@Wonder.Land"))

    assert after == {**ALICE, "email": "Al@Wonder.Land", "email_key": "al@wonder.land", "updated_at": at(2)}


def test_a_new_name_changes_the_name_and_its_sort_key() -> None:
    after = project(ALICE, renamed("alice", 2, "ÄLICE Straße"))

    assert after == {**ALICE, "name": "ÄLICE Straße", "name_key": "älice strasse", "updated_at": at(2)}


def test_deactivated_and_reactivated() -> None:
    off = project(ALICE, deactivated("alice", 2))
    on = project(off, reactivated("alice", 3))

    assert off == {**ALICE, "status": "deactivated", "updated_at": at(2)}
    assert on == {**ALICE, "status": "active", "updated_at": at(3)}


def test_the_document_it_is_given_stays_as_it_was() -> None:
    before = dict(ALICE)

    reduce(project, [renamed("alice", 2, "Al"), deactivated("alice", 3)], before)

    assert before == ALICE


def test_an_event_of_a_user_who_was_never_created_is_an_error() -> None:
    with pytest.raises(TypeError, match="UserRenamed before UserCreated"):
        project(None, renamed("alice", 2, "Al"))


@pytest.mark.parametrize(
    "late",
    [renamed("alice", 5, "Al"), email_updated("alice", 5, "a@b.c"), deactivated("alice", 5), reactivated("alice", 5)],
    ids=lambda event: event.type,
)
def test_nothing_brings_an_erased_user_back(late: DomainEvent) -> None:
    erased = {"_id": "alice", "version": 4}

    assert project(erased, late) == erased


def test_a_very_long_name_gives_a_short_sort_key() -> None:
    assert name_key("ß" * 1000) == "s" * 200


def test_the_model_is_of_users() -> None:
    assert (USERS.name, USERS.aggregate_type) == ("users", "user")
