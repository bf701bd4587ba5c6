"""51–56: events that the command service never published, into the projections."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import bson
from pymongo.asynchronous.collection import AsyncCollection

from tests.hostile.case import Case
from tests.hostile.scene import Scene
from tests.hostile.user_bodies import alice, renamed

LARGEST_DOCUMENT = 16 * 1024 * 1024
A_LITTLE = 500


def event(kind: str, user_id: str, version: int, data: Mapping[str, Any], *, position: int = 1) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/command-service",
        "type": kind,
        "subject": f"user/{user_id}",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "aggregatetype": "user",
        "aggregateid": user_id,
        "aggregateversion": version,
        "schemaversion": 1,
        "position": position,
        "data": {"user_id": user_id, **data},
    }


def name_changed(user_id: str, version: int, name: Any) -> dict[str, Any]:
    return event("UserRenamed", user_id, version, {"old_name": "Good", "new_name": name})


def of_no_known_type(user_id: str, version: int) -> dict[str, Any]:
    return event("UserTeleported", user_id, version, {"to": "the moon"})


async def users(scene: Scene) -> AsyncCollection[dict[str, Any]]:
    """The live generation of the read model."""
    entry = await scene.database["read_models"].find_one({"_id": "users"}) or {}
    return scene.database[f"users.g{entry.get('live', 1)}"]


async def given_user(scene: Scene, user_id: str, *names: str) -> dict[str, Any]:
    """A user with one version more than names, as the read model shows him."""
    await scene.accepted(await scene.send(user_id, alice(user_id)))
    for name in names:
        await scene.accepted(await scene.send(user_id, renamed(user_id, name), "RenameUser"))
    return await at_version(scene, user_id, 1 + len(names))


async def at_version(scene: Scene, user_id: str, version: int) -> dict[str, Any]:
    collection = await users(scene)

    async def found() -> dict[str, Any] | None:
        return await collection.find_one({"_id": user_id, "version": version})

    document: dict[str, Any] = await scene.until(found, f"{user_id} at version {version}")
    return document


async def parked(scene: Scene, user_id: str, *reasons: str) -> str:
    async def found() -> dict[str, Any] | None:
        return await scene.database["parked"].find_one({"_id": f"users/{user_id}"})

    reason: str = (await scene.until(found, f"{user_id} parked"))["reason"]
    assert reason in reasons, reason
    return reason


async def gap(scene: Scene, key: str) -> str:
    whole = await given_user(scene, key, "Second", "Third")
    await (await users(scene)).delete_one({"_id": key})
    await scene.tell(name_changed(key, 3, "Third"))
    healed = await at_version(scene, key, 3)
    assert {**healed, "updated_at": None} == {**whole, "updated_at": None}
    return "versions 1 and 2 read from the log"


async def old_version(scene: Scene, key: str) -> str:
    before = await given_user(scene, key, "Second")
    await scene.tell(event("UserCreated", key, 1, {"name": "Forged", "email": "forged@example.com"}))
    await scene.tell(name_changed(key, 2, "Forged"))
    await scene.tell(of_no_known_type(key, 3))  # comes after them
    assert await at_version(scene, key, 3) == before | {"version": 3}
    return "no change"


async def unknown_type(scene: Scene, key: str) -> str:
    before = await given_user(scene, key)
    await scene.tell(of_no_known_type(key, 2))
    assert await at_version(scene, key, 2) == before | {"version": 2}
    return "version 2, document as it was"


async def integer_beyond_64_bits(scene: Scene, key: str) -> str:
    version, field = f"{key}-version", f"{key}-field"
    before = [await given_user(scene, user_id) for user_id in (version, field)]
    await scene.tell(name_changed(version, 2**64, "Forged"))
    await scene.tell(name_changed(field, 2, 2**64))
    reasons = await parked(scene, version, "log_gap", "integer_overflow"), await parked(scene, field, "invalid_event")
    assert [await at_version(scene, user_id, 1) for user_id in (version, field)] == before
    return f"parked: {', '.join(reasons)}"


async def document_too_large(scene: Scene, key: str) -> str:
    """An ordinary event is what takes the document over its limit."""
    collection = await users(scene)
    document = await given_user(scene, key)
    document["name"] += "x" * (LARGEST_DOCUMENT - A_LITTLE - len(bson.encode(document)))
    await collection.replace_one({"_id": key}, document)
    try:
        emails = {"old_email": document["email"], "new_email": "x" * 2 * A_LITTLE}
        await scene.tell(event("UserEmailUpdated", key, 2, emails))
        reason = await parked(scene, key, "document_too_large", "unstorable")  # ours or MongoDB's own word
        assert await collection.count_documents({"_id": key, "version": 1}) == 1
    finally:
        await collection.delete_one({"_id": key})
    return f"parked: {reason}"


async def of_an_erased_user(scene: Scene, key: str) -> str:
    """Erasing is another issue's: this is the document as it will leave it, an id and a version."""
    await given_user(scene, key, "Second")
    await (await users(scene)).replace_one({"_id": key}, {"version": 3})
    await scene.tell(event("UserCreated", key, 1, {"name": "Old", "email": f"{key}@example.com"}))
    await scene.tell(name_changed(key, 2, "Second"))
    await scene.tell(name_changed(key, 4, "Back again"))
    document = await at_version(scene, key, 4)
    assert not {"name", "email", "status"} & document.keys(), sorted(document)
    answer = await scene.reply(await scene.ask("GetUserById", {"user_id": key}))
    assert answer["error"]["code"] == "user_not_found"
    return "stays erased"


CASES = (
    Case(51, "a version gap", "document lost, version 3 published", "healed_from_the_log", gap),
    Case(52, "an old version", "versions 1 and 2 forged at 2", "no_change", old_version),
    Case(53, "an unknown event type", "UserTeleported", "version_advances_document_does_not_change", unknown_type),
    Case(54, "an integer beyond 64 bits", "as version, in a field", "parked", integer_beyond_64_bits),
    Case(55, "a document near 16 MiB", "500 bytes short of it, 2 KB added", "parked", document_too_large),
    Case(56, "an event for an erased user", "old ones and a next one", "stays_erased", of_an_erased_user),
)
