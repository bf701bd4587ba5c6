"""Queues such as the query service has, for tests of the parts that know nothing of it."""

from shared.messaging.topology import EVENTS, OUTCOMES, ProjectionQueue

PROJECTION_QUEUES = (
    ProjectionQueue("users", ((EVENTS, "user.#"),)),
    ProjectionQueue("command_status", ((OUTCOMES, "#"),), retired_sources=((EVENTS, "#"),)),
)
