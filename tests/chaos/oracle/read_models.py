"""The promises about MongoDB: documents against the oracle's own fold, statuses of commands, parked aggregates."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pymongo import AsyncMongoClient

from tests.chaos.oracle.account import account
from tests.chaos.traffic import Traffic
from tests.support.oracle import Stored, comparable

ACCOUNTS = ("users", "user_directory")
"""Read models whose documents hold the fields of an account."""
FIRST_GENERATION = 1
DETAILS = ".details"
STATUSES = "command_status"

Documents: TypeAlias = Mapping[Any, dict[str, Any]]


@dataclass(frozen=True)
class ReadSide:
    """MongoDB's documents by `_id` (a composed one as a tuple of its values), live generations only: of each folded
    read model, of what some hold beside them, of the statuses of commands; and what is parked.
    """

    models: Mapping[str, Documents]
    details: Mapping[str, Documents]
    statuses: Documents
    parked: list[str]


async def read_side(mongo_url: str) -> ReadSide:
    """The live generation of each model is the one that the catalogue `read_models` names, else the first."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url, tz_aware=True)
    async with client:
        database = client.get_default_database()
        live = {entry["_id"]: entry.get("live", FIRST_GENERATION) async for entry in database["read_models"].find()}
        documents: dict[str, Documents] = {}
        details: dict[str, Documents] = {}
        for collection in await database.list_collection_names():
            name, dot, generation = collection.removesuffix(DETAILS).rpartition(".g")
            if dot and generation == str(live.get(name, FIRST_GENERATION)):
                found = {_key(document["_id"]): document async for document in database[collection].find()}
                (details if collection.endswith(DETAILS) else documents)[name] = found
        parked = [str(document["_id"]) async for document in database["parked"].find({}, {"_id": 1})]
    statuses = documents.pop(STATUSES, {})
    return ReadSide(documents, details, statuses, parked)


def wrong_documents(name: str, documents: Documents, held: Stored) -> Iterator[str]:
    """Users whose document is not the fold; of models that are not simply the user, whose version is not the log's."""
    for user_id in documents.keys() | held.events.keys():
        document, events = documents.get(user_id), held.events.get(user_id, [])
        if document is None or not events:
            yield f"{user_id}: {len(events)} events, {'no' if document is None else 'a'} document"
        elif document["version"] != len(events):
            yield f"{user_id}: {len(events)} events, a document of version {document['version']}"
        elif name in ACCOUNTS and comparable(document | {"user_id": user_id}) != account(events):
            yield f"{user_id}: another content"


def wrong_statuses(held: Stored, traffic: Traffic, statuses: Documents, letters: Iterable[str]) -> Iterator[str]:
    """Commands of which the read side knows something else than what became of them, or nothing."""
    expected = {
        command_id: (outcome["status"], outcome.get("version"), outcome.get("error", {}).get("code"))
        for command_id, outcome in held.outcomes.items()
    }
    expected |= {message_id: ("rejected", None, traffic.poison.get(message_id)) for message_id in letters}
    for command_id in expected.keys() | statuses.keys():
        found = statuses.get(command_id, {})
        is_known = (found.get("status"), found.get("version"), found.get("code"))
        if is_known != expected.get(command_id):
            yield f"{command_id}: {is_known} for {expected.get(command_id)}"


def _key(document_id: Any) -> Any:
    return tuple(document_id.values()) if isinstance(document_id, dict) else document_id
