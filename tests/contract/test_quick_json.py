"""JSON that is written by hand, for speed, says what the models say."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.cloud_event import CloudEvent, subject
from shared.contracts.cloud_event_json import cloud_event_json, moment
from shared.contracts.events import UserCreated
from shared.contracts.outcome import Accepted, Outcomes, Rejected, RejectionError, accepted_json, outcomes_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TIMES = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))
VERSIONS = st.integers(0, 2**63 - 1)


@given(
    ids=st.tuples(st.uuids(), st.none() | st.uuids()),
    texts=st.tuples(TEXTS, TEXTS, TEXTS),
    may_be_none=st.tuples(st.none() | TEXTS, st.none() | TEXTS),
    numbers=st.tuples(VERSIONS, VERSIONS, VERSIONS),
    time=TIMES,
    name=TEXTS,
)
def test_an_event_is_written_as_its_model_writes_it(
    ids: tuple[UUID, UUID | None],
    texts: tuple[str, str, str],
    may_be_none: tuple[str | None, str | None],
    numbers: tuple[int, int, int],
    time: datetime,
    name: str,
) -> None:
    data = UserCreated(user_id="alice", name=name, email="alice@example.com")
    type_, aggregate_type, aggregate_id = texts
    version, schema_version, position = numbers
    correlation_id, actor = may_be_none
    before, after = cloud_event_json(
        id=ids[0],
        type=type_,
        time=moment(time),
        aggregatetype=aggregate_type,
        aggregateid=aggregate_id,
        aggregateversion=version,
        schemaversion=schema_version,
        correlationid=correlation_id,
        causationid=ids[1],
        actor=actor,
        data=data.model_dump_json(),
    )
    event = CloudEvent(
        id=ids[0],
        type=type_,
        subject=subject(aggregate_type, aggregate_id),
        time=time,
        aggregatetype=aggregate_type,
        aggregateid=aggregate_id,
        aggregateversion=version,
        schemaversion=schema_version,
        position=position,
        correlationid=correlation_id,
        causationid=ids[1],
        actor=actor,
        data=data.model_dump(mode="json"),
    )
    assert f"{before}{position}{after}" == event.model_dump_json()


@given(st.uuids(), TEXTS, VERSIONS, TEXTS)
def test_an_acceptance_is_written_as_its_model_writes_it(
    command_id: UUID, aggregate_id: str, version: int, token: str
) -> None:
    model = Accepted(command_id=command_id, aggregate_id=aggregate_id, version=version, consistency_token=token)
    assert accepted_json(command_id, aggregate_id, version, token) == model.model_dump_json()


@given(st.datetimes(timezones=st.just(UTC)), st.none() | VERSIONS, st.lists(st.uuids(), max_size=3))
def test_outcomes_are_written_as_their_model_writes_them(
    time: datetime, position: int | None, command_ids: list[UUID]
) -> None:
    error = RejectionError(code="email_taken", message="…")
    outcomes = tuple(Rejected(command_id=command_id, error=error) for command_id in command_ids)
    before, after = outcomes_json(moment(time), [outcome.model_dump_json() for outcome in outcomes])
    written = f"{before}{'null' if position is None else position}{after}"
    assert written == Outcomes(time=time, position=position, outcomes=outcomes).model_dump_json()
