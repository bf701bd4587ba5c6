"""`user_history`: an entry for each event of the log, in MongoDB and as clients are told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from tests.chaos.oracle.milliseconds import milliseconds
from tests.chaos.oracle.read_models import Documents
from tests.support.ask import Asker

SAMPLE, PAGE = 20, 7
Log = Mapping[str, Sequence[Mapping[str, Any]]]


def expected_entry(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the history must say of an event of the log; times in milliseconds."""
    return {
        "version": event["version"],
        "event_id": str(event["event_id"]),
        "type": event["type"],
        "time": milliseconds(event["time"]),
        "actor": event["actor"],
        "causation_id": str(event["causation_id"]),
        "correlation_id": event["correlation_id"],
        "changes": [
            {"field": field, "from": old, "to": new} for field, old, new in _changes(event["type"], event["data"])
        ],
    }


def wrong_entries(entries: Documents, log: Log) -> Iterator[str]:
    """`entries` by (user, version): those that are missing, invented, or say something else than the log."""
    expected = {(user, event["version"]): expected_entry(event) for user, events in log.items() for event in events}
    for key in expected.keys() | entries.keys():
        entry = entries.get(key)
        shown = None if entry is None else _shown(entry, version=key[1])
        if shown != expected.get(key):
            yield f"{key[0]}@{key[1]}: {_difference(shown, expected.get(key))}"


async def wrongly_told(asker: Asker, log: Log, seed: int) -> list[str]:
    """Users, of a sample, whose history as a client reads it, page by page, newest first, is not the log."""
    sample = Random(f"history {seed}").sample(sorted(log), min(SAMPLE, len(log)))
    told = {user_id: await _history(asker, user_id) for user_id in sample}
    return [user_id for user_id in sample if told[user_id] != [expected_entry(event) for event in log[user_id]][::-1]]


async def _history(asker: Asker, user_id: str) -> list[dict[str, Any]] | None:
    """None where there is no answer, or no good one."""
    items: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        try:
            answer = await asker.ask("GetUserHistory", user_id=user_id, limit=PAGE, **more)
        except TimeoutError:
            return None
        if answer["status"] != "ok":
            return None
        for item in answer["data"]["items"]:
            timed = item | {"time": datetime.fromisoformat(item["time"])}
            items.append(_shown(timed, version=item["version"]))
        if not answer["data"].get("next_cursor"):
            return items
        more = {"cursor": answer["data"]["next_cursor"]}


def _shown(entry: Mapping[str, Any], *, version: int) -> dict[str, Any]:
    fields = {key: value for key, value in entry.items() if key not in ("_id", "version")}
    return {"version": version, **fields, "time": milliseconds(fields["time"])}


def _changes(kind: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    if kind == "UserCreated":
        yield "name", None, data["name"]
        yield "email", None, data["email"]
        yield "status", None, "active"
    elif kind == "UserRenamed":
        yield "name", data["old_name"], data["new_name"]
    elif kind == "UserEmailUpdated":
        yield "email", data["old_email"], data["new_email"]
    elif kind == "UserDeactivated":
        yield "status", "active", "deactivated"
        if data.get("reason") is not None:
            yield "reason", None, data["reason"]
    elif kind == "UserReactivated":
        yield "status", "deactivated", "active"


def _difference(found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None) -> str:
    if found is None or expected is None:
        return "missing" if found is None else "of no event"
    return "another " + ", ".join(key for key in expected if found.get(key) != expected[key])
