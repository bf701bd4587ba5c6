"""The oracle's last word: what the stores hold against what the clients sent, promise by promise.

Shares no code with the services; its fold of the log is the one of `tests/support/oracle.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from pymongo import AsyncMongoClient

from tests.chaos.history import History
from tests.chaos.ledger import Violation
from tests.chaos.traffic import Traffic
from tests.support.oracle import Stored, comparable, fold, plain_postgres_url, stored, wait_until_quiet

QUIET_DEADLINE = 120.0
EVENT_OF = {
    "CreateUser": "UserCreated",
    "RenameUser": "UserRenamed",
    "UpdateUserEmail": "UserEmailUpdated",
    "DeactivateUser": "UserDeactivated",
    "ReactivateUser": "UserReactivated",
}
ACCOUNTS = ("users", "user_directory")
"""Read models whose documents hold the fields of an account."""
MAY_CHANGE_NOTHING = ("RenameUser", "UpdateUserEmail")


@dataclass(frozen=True)
class ReadSide:
    """MongoDB's documents by id: each folded read model's, the statuses of commands, and what is parked."""

    models: Mapping[str, Mapping[str, dict[str, Any]]]
    statuses: Mapping[str, dict[str, Any]]
    parked: list[str]


async def verdict(env: Mapping[str, str], traffic: Traffic, history: History, prefix: str) -> list[Violation]:
    """Waits until all work is done, then gives every promise that is broken."""
    found: list[Violation] = []
    try:
        await wait_until_quiet(dict(env), QUIET_DEADLINE)
    except AssertionError as error:
        found.append(Violation("outbox and queues are empty, nothing is unacknowledged", [str(error)]))
    held = await stored(dict(env), prefix)
    letters = await dead_letters(env)
    read_side = await read_models(env)
    checks = {
        "no version that a client sees goes back": history.went_back,
        "every confirmed command has an outcome": history.confirmed - traffic.poison.keys() - held.outcomes.keys(),
        "nothing has an outcome that was not sent": held.outcomes.keys() - history.sent.keys(),
        "every outcome that a client got is the only one": other_outcomes(held, traffic, history),
        "versions are 1 … n for each aggregate": with_holes(held),
        "the log is the accepted commands": not_as_declared(held, traffic),
        "the state table is the fold of the log": wrong_states(held),
        "dead letters are the poison, each with its reason": wrong_letters(letters, traffic, history),
        "the read side knows what became of each command": wrong_statuses(held, traffic, read_side, letters),
        "no aggregate is parked": read_side.parked,
        **{
            f"read model {name} is the fold of the log": wrong_documents(name, documents, held)
            for name, documents in read_side.models.items()
        },
    }
    found += [Violation(promise, ids) for promise, broken in checks.items() if (ids := sorted(broken))]
    return found


async def dead_letters(env: Mapping[str, str]) -> dict[str, list[str]]:
    """The reasons of the dead letters by message id."""
    connection = await asyncpg.connect(plain_postgres_url(env["CQRS_POSTGRES_URL"]))
    try:
        rows = await connection.fetch("SELECT message_id, reason FROM dead_letters")
    finally:
        await connection.close()
    letters: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        letters[row["message_id"] or "without an id"].append(row["reason"])
    return letters


async def read_models(env: Mapping[str, str]) -> ReadSide:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(env["CQRS_MONGO_URL"], tz_aware=True)
    async with client:
        database = client.get_default_database()
        live = {entry["_id"]: entry.get("live", 1) async for entry in database["read_models"].find()}
        generations = [name.split(".g") for name in await database.list_collection_names() if ".g" in name]
        names = {name for name, number in generations if number == str(live.get(name, 1))}
        documents = {
            name: {document["_id"]: document async for document in database[f"{name}.g{live.get(name, 1)}"].find()}
            for name in names
        }
        parked = [str(document["_id"]) async for document in database["parked"].find({}, {"_id": 1})]
    statuses = documents.pop("command_status", {})
    return ReadSide(documents, statuses, parked)


def other_outcomes(held: Stored, traffic: Traffic, history: History) -> Iterator[str]:
    for command_id, outcomes in history.outcomes.items():
        reason = traffic.poison.get(command_id)
        if reason is not None:
            if any(outcome.get("error", {}).get("code") != reason for outcome in outcomes):
                yield command_id
        elif any(outcome != held.outcomes.get(command_id) for outcome in outcomes):
            yield command_id


def with_holes(held: Stored) -> Iterator[str]:
    for user_id, events in held.events.items():
        if [event["version"] for event in events] != list(range(1, len(events) + 1)):
            yield user_id


def not_as_declared(held: Stored, traffic: Traffic) -> Iterator[str]:
    """Ids of commands: applied twice, with an event that is not theirs, or accepted without one."""
    causes: set[str] = set()
    for user_id, events in held.events.items():
        for event in events:
            cause = str(event["causation_id"])
            command, outcome = traffic.commands.get(cause), held.outcomes.get(cause, {})
            expected = {
                "status": "accepted",
                "command_id": cause,
                "aggregate_id": user_id,
                "version": event["version"],
                "consistency_token": f"user/{user_id}@{event['version']}",
            }
            right = command is not None and (EVENT_OF[command.type], command.user_id) == (event["type"], user_id)
            if cause in causes or not right or outcome != expected:
                yield cause
            causes.add(cause)
    for command_id in held.outcomes.keys() - causes:
        command = traffic.commands.get(command_id)
        accepted = held.outcomes[command_id]["status"] == "accepted"
        if accepted and (command is None or command.type not in MAY_CHANGE_NOTHING):
            yield command_id


def wrong_states(held: Stored) -> Iterator[str]:
    for user_id in held.events.keys() | held.users.keys():
        row, events = held.users.get(user_id), held.events.get(user_id, [])
        if row is None or not events or comparable(row) != comparable(fold(events)):
            yield user_id


def wrong_documents(name: str, documents: Mapping[str, dict[str, Any]], held: Stored) -> Iterator[str]:
    """Users whose document is not the fold; of models that are not simply the user, whose version is not the log's."""
    for user_id in documents.keys() | held.events.keys():
        document, events = documents.get(user_id), held.events.get(user_id, [])
        if document is None or not events:
            yield f"{user_id}: {len(events)} events, {'no' if document is None else 'a'} document"
        elif document["version"] != len(events):
            yield f"{user_id}: {len(events)} events, a document of version {document['version']}"
        elif name in ACCOUNTS and comparable(document | {"user_id": user_id}) != comparable(fold(events)):
            yield f"{user_id}: another content"


def wrong_letters(letters: Mapping[str, list[str]], traffic: Traffic, history: History) -> Iterator[str]:
    """Of poison that was confirmed there is a letter at least, and one at most for each time that it was sent."""
    for message_id in letters.keys() | (traffic.poison.keys() & history.confirmed):
        reasons = letters.get(message_id, [])
        right = set(reasons) == {traffic.poison.get(message_id)} and len(reasons) <= history.sent[message_id]
        if not right:
            yield f"{message_id}: {reasons} for {traffic.poison.get(message_id)}"


def wrong_statuses(held: Stored, traffic: Traffic, read_side: ReadSide, letters: Iterable[str]) -> Iterator[str]:
    expected = {
        command_id: (outcome["status"], outcome.get("version"), outcome.get("error", {}).get("code"))
        for command_id, outcome in held.outcomes.items()
    }
    expected |= {message_id: ("rejected", None, traffic.poison.get(message_id)) for message_id in letters}
    for command_id in expected.keys() | read_side.statuses.keys():
        found = read_side.statuses.get(command_id, {})
        is_known = (found.get("status"), found.get("version"), found.get("code"))
        if is_known != expected.get(command_id):
            yield f"{command_id}: {is_known} for {expected.get(command_id)}"
