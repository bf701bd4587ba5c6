import json

from services.ops.rendering.status import status_json, status_text
from services.ops.status.queues import QueueState, vhost_of
from services.ops.status.readiness import Readiness
from services.ops.status.report import StatusReport, Unavailable
from services.ops.status.write_side import WriteSide
from shared.messaging.topology import topology
from tests.support.projection_queues import PROJECTION_QUEUES
from tests.unit.ops.plain_text import plain_text

QUEUES = [
    QueueState(queue.name, ready=0, unacknowledged=0, consumers=1)
    for queue in topology(projections=PROJECTION_QUEUES).queues
]
READY = Readiness(ready=True)
NOTHING_WAITS = WriteSide(0, 0.0, 0)


def report(
    *,
    services: dict[str, Readiness] | None = None,
    queues: list[QueueState] | Unavailable = QUEUES,
    write_side: WriteSide | Unavailable = NOTHING_WAITS,
    parked: dict[str, int] | Unavailable | None = None,
) -> StatusReport:
    return StatusReport(services or {"command": READY, "query": READY}, queues, write_side, parked or {})


def test_all_is_well() -> None:
    assert report().troubles == []


def test_a_service_that_is_not_ready_is_a_trouble() -> None:
    unready = Readiness(ready=False, troubles={"postgres": "no connection"})
    (trouble,) = report(services={"command": unready, "query": READY}).troubles
    assert trouble == "command service is not ready: postgres: no connection"


def test_a_service_that_does_not_answer_is_a_trouble() -> None:
    gone = Readiness(ready=False, unreachable="nobody answers at http://h:1")
    assert report(services={"query": gone}).troubles == ["query service: nobody answers at http://h:1"]


def test_a_queue_that_nobody_consumes_is_a_trouble() -> None:
    queues = [QueueState("queries", 3, 0, 0) if queue.name == "queries" else queue for queue in QUEUES]
    assert report(queues=queues).troubles == ["no consumer on queries"]


def test_a_queue_that_is_not_there_is_a_trouble() -> None:
    queues = [queue for queue in QUEUES if queue.name not in ("queries", "commands.0")]
    assert report(queues=queues).troubles == ["queue queries is missing", "queue commands.0 is missing"]


def test_another_number_of_partitions_is_none() -> None:
    queues = [queue for queue in QUEUES if queue.name not in ("commands.6", "commands.7")]
    assert report(queues=queues).troubles == []


def test_a_message_stuck_in_the_outbox_is_a_trouble_and_a_fresh_one_is_not() -> None:
    assert report(write_side=WriteSide(1, 61.0, 0)).troubles == ["outbox: a message has been waiting for 61 s"]
    assert report(write_side=WriteSide(500, 0.4, 0)).troubles == []


def test_parked_aggregates_are_a_trouble_and_dead_letters_are_not() -> None:
    assert report(parked={"users": 2}).troubles == ["read model users: 2 parked"]
    assert report(write_side=WriteSide(0, 0.0, 66)).troubles == []


def test_what_cannot_be_looked_at_is_a_trouble() -> None:
    gone = Unavailable("no route")
    expected = ["RabbitMQ: no route", "PostgreSQL: no route", "MongoDB: no route"]
    assert report(queues=gone, write_side=gone, parked=gone).troubles == expected


def test_a_program_gets_one_document() -> None:
    document = json.loads(json.dumps(status_json(report(parked={"users": 1}, write_side=Unavailable("no route")))))
    assert document["status"] == "degraded"
    assert document["services"]["command"]["ready"] is True
    assert document["queues"][0] == {"name": "commands.0", "ready": 0, "unacknowledged": 0, "consumers": 1}
    assert document["write_side"] == {"unavailable": "no route"}
    assert document["parked"] == {"users": 1}


def test_a_person_sees_the_troubles_and_the_queues() -> None:
    text = plain_text(status_text(report(parked={"users": 1})))
    assert "degraded" in text
    assert "read model users: 1 parked" in text
    assert "projections.users" in text


def test_the_vhost_is_the_urls_path() -> None:
    assert vhost_of("amqp://u:p@h:1/cqrs") == "cqrs"
    assert vhost_of("amqp://h/a%2Fb") == "a/b"
    assert vhost_of("amqp://h") == "/"
