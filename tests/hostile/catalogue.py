"""All 66, in their order."""

from tests.hostile import broker_refusals, commands, envelope, events, json_bodies, operations, queries, reply_addresses
from tests.hostile.case import Case

CASES: tuple[Case, ...] = (
    *envelope.CASES,
    *broker_refusals.CASES,
    *reply_addresses.CASES,
    *json_bodies.CASES,
    *commands.CASES,
    *events.CASES,
    *queries.CASES,
    *operations.CASES,
)
FIRST_OF_OPERATIONS = operations.CASES[0].number
