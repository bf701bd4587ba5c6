"""Golden examples: what a client in another language sends and receives, byte shape by byte shape.

A change that breaks one of these files breaks somebody's program: it needs a new schema version instead.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shared.contracts.answer import ANSWER, Answered, Failed
from shared.contracts.cloud_event import CloudEvent, routing_key, subject
from shared.contracts.commands import COMMANDS
from shared.contracts.control import CONTROLS
from shared.contracts.events import EVENTS
from shared.contracts.outcome import OUTCOME, Accepted, Rejected
from shared.contracts.queries import QUERIES
from shared.contracts.queries.read_events import ReadEvents
from shared.contracts.queries.read_log import LOG_QUERIES
from shared.contracts.views import UserView

GOLDEN = Path(__file__).parent / "golden"


def golden(kind: str, name: str) -> Any:
    return json.loads((GOLDEN / kind / f"{name}.json").read_text(encoding="utf-8"))


def on_the_wire(message: BaseModel) -> Any:
    return json.loads(message.model_dump_json(exclude_none=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_reads_and_writes_its_golden_example(name: str) -> None:
    example = golden("commands", name)

    command = COMMANDS[name].model_validate(example)

    assert on_the_wire(command) == example
    assert command.type == name
    assert command.aggregate_id == "alice"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_reads_and_writes_its_golden_example(name: str) -> None:
    example = golden("events", name)

    event = CloudEvent.model_validate_json(json.dumps(example))
    data = EVENTS[name].model_validate(event.data)

    assert on_the_wire(event) == example
    assert on_the_wire(data) == example["data"]
    assert event.type == data.type == name
    assert event.subject == subject("user", "alice") == "user/alice"
    assert routing_key(event.aggregatetype, event.type) == f"user.{name}"


@pytest.mark.parametrize("name", [*QUERIES, *LOG_QUERIES, "ReadEvents"])
def test_a_query_reads_and_writes_its_golden_example(name: str) -> None:
    example = golden("queries", name)
    contract = (QUERIES | LOG_QUERIES | {"ReadEvents": ReadEvents})[name]

    query = contract.model_validate(example)

    assert on_the_wire(query) == example
    assert query.type == name


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_reads_and_writes_its_golden_example(name: str) -> None:
    example = golden("controls", name)

    control = CONTROLS[name].model_validate(example)

    assert on_the_wire(control) == example
    assert control.type == name


@pytest.mark.parametrize(("name", "kind"), [("accepted", Accepted), ("rejected", Rejected)])
def test_an_outcome_reads_and_writes_its_golden_example(name: str, kind: type[BaseModel]) -> None:
    example = golden("replies", f"CommandOutcome.{name}")

    outcome = OUTCOME.validate_json(json.dumps(example))

    assert isinstance(outcome, kind)
    assert on_the_wire(outcome) == example


@pytest.mark.parametrize(("name", "kind"), [("ok", Answered), ("error", Failed)])
def test_an_answer_reads_and_writes_its_golden_example(name: str, kind: type[BaseModel]) -> None:
    example = golden("replies", f"QueryAnswer.{name}")

    answer = ANSWER.validate_json(json.dumps(example))

    assert isinstance(answer, kind)
    assert on_the_wire(answer) == example


def test_the_user_of_an_answer_reads_as_a_view() -> None:
    example = golden("replies", "QueryAnswer.ok")["data"]

    assert on_the_wire(UserView.model_validate(example)) == example


def test_every_golden_file_belongs_to_a_message_of_the_catalogue() -> None:
    for kind, catalogue in (
        ("commands", set(COMMANDS)),
        ("events", set(EVENTS)),
        ("queries", {*QUERIES, *LOG_QUERIES, "ReadEvents"}),
        ("controls", set(CONTROLS)),
    ):
        assert {path.stem for path in (GOLDEN / kind).iterdir()} == catalogue


def test_an_event_with_a_field_from_the_future_is_read_without_it() -> None:
    example = golden("events", "UserCreated")
    example["newattribute"] = 1
    example["data"]["nickname"] = "Al"

    event = CloudEvent.model_validate_json(json.dumps(example))

    assert "nickname" not in EVENTS["UserCreated"].model_validate(event.data).model_dump()
