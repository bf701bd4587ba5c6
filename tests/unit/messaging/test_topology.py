import re

from shared.messaging.topology import PERMISSIONS, ProjectionQueue, Queue, declared, topology
from tests.support.projection_queues import PROJECTION_QUEUES


def may(user: str, right: str, name: str) -> bool:
    permission = next(permission for permission in PERMISSIONS if permission.user == user)
    return re.search(getattr(permission, right), name) is not None


def test_queues_carry_only_arguments_that_can_never_change() -> None:
    arguments = {
        queue.name: dict(queue.arguments) for queue in topology(partitions=2, projections=PROJECTION_QUEUES).queues
    }

    assert arguments["commands.1"] == {"x-queue-type": "quorum", "x-single-active-consumer": True}
    assert arguments["projections.users"] == {"x-queue-type": "quorum", "x-single-active-consumer": True}
    assert arguments["queries"] == {"x-queue-type": "classic"}
    assert arguments["dead-letters"] == {"x-queue-type": "quorum"}
    assert "commands.2" not in arguments


def test_a_read_model_gets_a_queue_of_its_own() -> None:
    built = topology(projections=(ProjectionQueue("stats", (("events", "user.#"), ("outcomes", "#"))),))

    assert Queue("projections.stats", single_active_consumer=True) in built.queues
    assert {(b.exchange, b.routing_key) for b in built.bindings if b.queue == "projections.stats"} == {
        ("events", "user.#"),
        ("outcomes", "#"),
    }


def test_what_fed_a_read_model_in_an_earlier_version_is_unbound() -> None:
    built = topology(projections=(ProjectionQueue("stats", (("outcomes", "#"),), retired_sources=(("events", "#"),)),))

    assert ("events", "projections.stats", "#") in {
        (b.exchange, b.queue, b.routing_key) for b in built.retired_bindings
    }


def test_the_consistent_hash_has_one_destination_which_nothing_can_change_places_with() -> None:
    built = topology()

    assert [between.destination for between in built.exchange_bindings if between.source == "commands"] == [
        "commands.partitions"
    ]
    assert not [binding for binding in built.bindings if binding.exchange == "commands"]


def test_services_configure_the_queues_that_they_consume_and_nothing_else() -> None:
    """To be told that one has other arguments takes the right to declare it."""
    built = topology(projections=PROJECTION_QUEUES)
    for user in ("command", "query"):
        for queue in built.queues:
            assert may(user, "configure", queue.name) == may(user, "read", queue.name)
        assert not any(
            may(user, "configure", exchange.name)
            for exchange in built.exchanges
            if exchange.name not in {queue.name for queue in built.queues}
        )
        assert not any(may(user, "configure", name) for name in ("", "mine", "reply.x", "commands.x", "xcommands.0"))


def test_every_queue_is_found_by_its_name_as_set_up_declares_it() -> None:
    built = topology(projections=PROJECTION_QUEUES)

    assert [declared(queue.name) for queue in built.queues] == list(built.queues)
    assert declared("reply.alice") is None


def test_each_user_may_do_what_it_must_and_no_more() -> None:
    assert all(may("command", "write", name) for name in ("events", "outcomes", "dead-letters", "amq.default"))
    assert all(may("command", "read", name) for name in ("commands.0", "commands.11", "event-log", "dead-letters"))
    assert not any(may("command", right, name) for right in ("write", "read") for name in ("queries", "commands"))
    assert all(may("query", "read", name) for name in ("queries", "projections.users"))
    assert not any(may("query", "write", name) for name in ("events", "commands", "outcomes"))
    assert all(may("client", "write", name) for name in ("commands", "queries", "subscriber.x", "reply.x"))
    assert not any(may("client", "write", name) for name in ("events", "amq.default", "dead-letters", "commands.0"))
    assert not any(may("client", "read", name) for name in ("queries", "commands.0", "outcomes", "dead-letters"))
    assert may("ops", "read", "dead-letters")


def test_only_operators_control_projections_and_redrive_to_one_queue() -> None:
    assert all(may("ops", "write", name) for name in ("commands", "projection-control", "amq.default"))
    assert not any(may("ops", "write", name) for name in ("events", "outcomes", "event-log", "dead-letters"))
    others = ("command", "query", "client")
    assert not any(may(user, "write", "projection-control") for user in others)
    assert may("query", "read", "projection-control")
    assert [permission.user for permission in PERMISSIONS if permission.impersonator] == ["ops"]
