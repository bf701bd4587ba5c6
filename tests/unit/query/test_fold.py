import random
from typing import Any

from services.query.domain_event import DomainEvent, domain_event
from services.query.mongo.bulk import why_unencodable
from services.query.projector.fold import fold
from services.query.read_model import Document, FoldedModel
from services.query.read_models.users import USERS
from tests.unit.query.given_events import at, created, deactivated, email_updated, envelope, event, renamed

STORY = (
    created("alice"),
    renamed("alice", 2, "Alice Liddell"),
    email_updated("alice", 3, "al@wonder.land"),
    deactivated("alice", 4),
)
ALICE_AT_4: Document = {
    "_id": "alice",
    "version": 4,
    "name": "Alice Liddell",
    "name_key": "alice liddell",
    "email": "al@wonder.land",
    "email_key": "al@wonder.land",
    "status": "deactivated",
    "created_at": at(1),
    "updated_at": at(4),
}


def test_events_in_order_are_all_applied() -> None:
    folded = fold(USERS, None, STORY)

    assert folded.document == ALICE_AT_4
    assert (len(folded.applied), folded.duplicates, folded.beyond_gap, folded.failure) == (4, 0, (), None)


def test_any_order_and_any_duplicates_give_the_same_document() -> None:
    shuffle = random.Random(7)
    for _ in range(50):
        events = [*STORY, *shuffle.choices(STORY, k=3)]
        shuffle.shuffle(events)

        folded = fold(USERS, None, events)

        assert folded.document == ALICE_AT_4
        assert (len(folded.applied), folded.duplicates) == (4, 3)


def test_what_the_document_has_already_changes_nothing() -> None:
    folded = fold(USERS, ALICE_AT_4, [*STORY, renamed("alice", 4, "Somebody Else")])

    assert folded.document is ALICE_AT_4
    assert (folded.applied, folded.duplicates) == ((), 5)


def test_a_gap_holds_back_what_is_beyond_it() -> None:
    folded = fold(USERS, None, [STORY[0], STORY[3], STORY[2]])

    assert folded.version == 1
    assert [event.version for event in folded.beyond_gap] == [3, 4]


def test_an_unknown_type_advances_the_version_and_nothing_else() -> None:
    folded = fold(USERS, ALICE_AT_4, [event("UserKnighted", "alice", 5, title="Sir")])

    assert folded.document == {**ALICE_AT_4, "version": 5}


def test_an_unknown_type_may_be_the_first_of_its_aggregate() -> None:
    assert fold(USERS, None, [event("UserImported", "alice", 1)]).document == {"_id": "alice", "version": 1}


def test_an_event_that_breaks_its_contract_stops_its_aggregate_there() -> None:
    broken = event("UserRenamed", "alice", 2, old_name="Alice", new_name=2**64)

    folded = fold(USERS, None, [STORY[0], broken, STORY[2]])

    assert folded.version == 1
    assert folded.held == 2
    assert folded.failure is not None
    assert (folded.failure.version, folded.failure.reason) == (2, "invalid_event")
    assert folded.failure.detail == "data.new_name: Input should be a valid string"


def test_a_schema_version_from_the_future_stops_its_aggregate() -> None:
    newer = domain_event(envelope("UserRenamed", "alice", 2, new_name="Al").model_copy(update={"schemaversion": 9}))

    failure = fold(USERS, None, [STORY[0], newer]).failure

    assert failure is not None
    assert failure.detail == "schema version 9 of UserRenamed is not known"


def test_a_bug_in_a_projection_is_a_failure_that_names_its_place_and_no_content() -> None:
    failure = fold(model(lambda document, event: {"oops": int("alice@example.com")}), None, [STORY[0]]).failure

    assert failure is not None
    assert (failure.version, failure.reason) == (1, "projection_failed")
    assert failure.detail.startswith("UserCreated: ValueError at test_fold.py:")


def test_a_document_that_can_not_be_stored_is_found_at_its_version() -> None:
    def count(document: Document | None, event: DomainEvent) -> Document:
        return {"count": 2**62 * event.version}

    folded = fold(model(count), None, STORY, check=why_unencodable)

    assert folded.version == 1
    assert folded.failure is not None
    assert (folded.failure.version, folded.failure.reason) == (2, "integer_overflow")


def test_a_document_over_16_mib_can_not_be_stored() -> None:
    assert why_unencodable({"_id": "alice", "name": "A" * 16 * 1024 * 1024}) == (
        "document_too_large",
        "a document of 16777247 bytes is over the limit of 16777216",
    )


def model(project: Any) -> FoldedModel:
    return FoldedModel(name="test", aggregate_type="user", project=project)
